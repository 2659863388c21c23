"""The pipeline of one camera, and how the server's own parts of it are set.

Runs under the system's Python, which has GStreamer: nothing but the standard library and ``gi``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from gi.repository import Gst, GstRtspServer  # type: ignore[import-not-found]

from benchmarks.cameras.mount import Mount, Outlet

# Pictures that wait for a client to begin, at most: those of two seconds.
_QUEUED_PICTURES = 50
# A camera's clock is known soon after its pictures; most cameras report every one to five seconds.
_REPORT_EVERY_NS = 1_000_000_000
# The access units are whole and carry their parameter sets, so nothing has to parse them.
_SOURCE = (
    "appsrc name=source is-live=true format=time leaky-type=downstream "
    f"max-bytes=0 max-time=0 max-buffers={_QUEUED_PICTURES} "
    "caps=video/x-h264,stream-format=byte-stream,alignment=au"
)


def factory(mount: Mount, reports: str, loss: float) -> Any:
    """Makes the pipelines of one camera; all clients of an address share one.

    Args:
        mount: The camera.
        reports: The sender reports: ``right``, ``unset`` (like a camera whose clock was never set)
            or ``none``.
        loss: Share of packets to drop.
    """
    made = GstRtspServer.RTSPMediaFactory()
    # The server takes the packets from pay0.
    end = f"payloader ! identity name=pay0 drop-probability={loss}" if loss else "pay0"
    made.set_launch(f"( {_SOURCE} ! rtph264pay pt=96 name={end} )")
    made.set_shared(True)
    made.connect("media-configure", _configure, mount, reports)
    return made


def _configure(_factory: Any, media: Any, mount: Mount, reports: str) -> None:
    # Nothing that is handed to a signal may hold the media: it would never be freed.
    pipeline = media.get_element().get_parent()
    outlet = mount.open(pipeline)
    pipeline.connect("deep-element-added", _added, mount, reports)
    media.connect("new-state", _turned, outlet)
    media.connect("unprepared", partial(_unprepared, mount, outlet))


def _turned(_media: Any, state: int, outlet: Outlet) -> None:
    if state == Gst.State.PLAYING:
        outlet.play()


def _unprepared(mount: Mount, outlet: Outlet, _media: Any) -> None:
    mount.close(outlet)


def _added(_pipeline: Any, _bin: Any, element: Any, mount: Mount, reports: str) -> None:
    made_by = element.get_factory()
    if made_by is not None and made_by.get_name() == "rtpbin":
        if reports == "unset":
            element.set_property("ntp-time-source", "running-time")
        element.connect("pad-added", _pad_added, mount, reports)


def _pad_added(rtpbin: Any, pad: Any, mount: Mount, reports: str) -> None:
    if not pad.get_name().startswith("send_rtcp_src"):
        return
    session = rtpbin.emit("get-internal-session", int(pad.get_name().rsplit("_", 1)[1]))
    session.set_property("rtcp-min-interval", _REPORT_EVERY_NS)
    pad.add_probe(Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST, _report, mount, reports)


def _report(_pad: Any, _info: Any, mount: Mount, reports: str) -> Any:
    silent = mount.frozen or reports == "none"
    return Gst.PadProbeReturn.DROP if silent else Gst.PadProbeReturn.OK
