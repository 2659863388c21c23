"""A fleet of live cameras: starts the RTSP server, and makes its cameras fail on command."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote

from benchmarks.cameras.certificate import self_signed
from benchmarks.cameras.footage import Footage

Mode = Literal["loop", "once", "hold"]
Reports = Literal["right", "unset", "none"]
Scheme = Literal["basic", "digest"]

# The system's Python: GStreamer's bindings come with the system, not from a registry.
_PYTHON = "/usr/bin/python3"
_ROOT = Path(__file__).resolve().parents[2]
_NEEDED = (
    "gir1.2-gst-rtsp-server-1.0 gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-good python3-gi"
)
_PROBE = """
from benchmarks.cameras.server import Gst
Gst.init(None)
assert all(map(Gst.ElementFactory.find, ("appsrc", "identity", "rtph264pay", "rtpbin")))
"""
_ANSWER_S = 30.0  # longer than any command takes on a busy machine


class FleetError(RuntimeError):
    """The server of the cameras failed; the message says why."""


@dataclass(frozen=True, slots=True)
class _Camera:
    """The settings of a camera, as they are sent to the server."""

    name: str
    footage: str
    mode: Mode
    began: float | None
    user: str | None
    password: str | None
    reports: Reports
    loss: float


def available() -> str | None:
    """Why cameras cannot run here; ``None`` where they can."""
    try:
        done = subprocess.run(
            [_PYTHON, "-c", _PROBE], cwd=_ROOT, capture_output=True, text=True, timeout=_ANSWER_S
        )
    except OSError as error:
        return f"{_PYTHON} cannot be run: {error}"
    if done.returncode:
        return f"GStreamer's RTSP server is not installed ({_NEEDED})"
    return None


class Fleet:
    """Live cameras on one server.

    Args:
        folder: Where the server's messages and certificate are kept.
        tls: Whether the cameras are served over TLS too.
        scheme: How cameras that have a user ask for the password.

    Example:
        >>> with Fleet(folder) as fleet:  # doctest: +SKIP
        ...     fleet.add("east", encoded(clip, folder, size=(640, 360)), phase_s=3.2)
        ...     av.open(fleet.url("east"))
    """

    def __init__(self, folder: Path, *, tls: bool = False, scheme: Scheme = "digest") -> None:
        self._folder = folder
        self._tls, self._scheme = tls, scheme
        self._cameras: dict[str, _Camera] = {}
        self._ports = {"port": 0, "tls_port": 0}
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._began: dict[str, float] = {}
        self._beginning = threading.Condition()
        self._asking = threading.Lock()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Starts the server, on the ports that it had before, with all cameras that it had.

        Raises:
            FleetError: The server does not start.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        certificate = self._folder / "camera.pem"
        if self._tls and not certificate.exists():
            self_signed(certificate)
        settings = self._ports | {
            "certificate": str(certificate) if self._tls else None,
            "scheme": self._scheme,
        }
        self._answers = queue.SimpleQueue()
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [_PYTHON, "-m", "benchmarks.cameras.server", json.dumps(settings)],
                cwd=_ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._reader = threading.Thread(target=self._read, args=(self._process, self._answers))
        self._reader.start()
        self._ports = self._ports | self._answer()
        for camera in self._cameras.values():
            self._command("add", **asdict(replace(camera, began=self._began.get(camera.name))))

    def kill(self) -> None:
        """Kills the server without warning (SIGKILL)."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        if self._reader is not None:
            self._reader.join()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def hang(self) -> None:
        """Makes the whole server hang: connections stay, and no answer comes (SIGSTOP)."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Ends :meth:`hang`."""
        self._running().send_signal(signal.SIGCONT)

    def add(
        self,
        name: str,
        footage: Footage,
        *,
        phase_s: float = 0.0,
        mode: Mode = "loop",
        user: str | None = None,
        password: str | None = None,
        reports: Reports = "right",
        loss: float = 0.0,
    ) -> None:
        """Adds a camera.

        Args:
            name: The last part of its address.
            footage: The footage to show.
            phase_s: Where in the footage a camera that plays in a loop is now, seconds.
            mode: ``loop`` plays for ever, with or without clients; the others start with the first
                client: ``once`` closes the connections after the footage, and the camera is
                gone; ``hold`` repeats the last group of pictures for ever.
            user: The only user who may watch; ``None``: everyone.
            password: The user's password.
            reports: The sender reports: with the right time, with a clock that was never set,
                or none.
            loss: Share of packets to drop.
        """
        began = time.time() - phase_s if mode == "loop" else None
        if began is not None:
            self._began[name] = began
        camera = _Camera(name, str(footage.path), mode, began, user, password, reports, loss)
        self._command("add", **asdict(camera))
        self._cameras[name] = camera

    def url(self, name: str, *, tls: bool = False) -> str:
        """Where a camera is watched, with its user and password."""
        camera = self._cameras[name]
        login = ""
        if camera.user is not None:
            login = f"{quote(camera.user, safe='')}:{quote(camera.password or '', safe='')}@"
        scheme, port = ("rtsps", "tls_port") if tls else ("rtsp", "port")
        return f"{scheme}://{login}127.0.0.1:{self._ports[port]}/{name}"

    def began(self, name: str, timeout_s: float = 0.0) -> float:
        """When the beginning of a camera's footage was played, epoch seconds.

        Args:
            name: The camera.
            timeout_s: How long to wait for the first client.

        Raises:
            FleetError: The camera has had no client yet.
        """
        with self._beginning:
            if not self._beginning.wait_for(lambda: name in self._began, timeout_s):
                raise FleetError(f"{name} has had no client yet: its footage has not started")
            return self._began[name]

    def freeze(self, name: str) -> None:
        """Stops a camera's pictures; its connections stay."""
        self._command("freeze", name=name, on=True)

    def thaw(self, name: str) -> None:
        """Ends :meth:`freeze`; the camera continues with the picture that is due now."""
        self._command("freeze", name=name, on=False)

    def corrupt(self, name: str, share: float) -> None:
        """Damages some bytes in a share of the pictures from now on."""
        self._command("corrupt", name=name, share=share)

    def switch(self, name: str, footage: Footage) -> None:
        """Continues with other footage from its beginning, in the same connections."""
        self._command("switch", name=name, footage=str(footage.path))
        self._cameras[name] = replace(self._cameras[name], footage=str(footage.path))

    def jump(self, name: str, seconds: float) -> None:
        """Makes the camera's timestamps jump, ahead or back (by a day at most)."""
        self._command("jump", name=name, seconds=seconds)

    def kick(self, name: str) -> None:
        """Closes the connections of a camera's clients."""
        self._command("kick", name=name)

    def cpu_s(self) -> float:
        """The processor time that the server has taken, seconds."""
        fields = Path(f"/proc/{self._running().pid}/stat").read_text("ascii").rsplit(")", 1)[1]
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise FleetError("the server of the cameras does not run")
        return self._process

    def _command(self, do: str, **what: Any) -> None:
        pipe = self._running().stdin
        assert pipe is not None
        with self._asking:
            pipe.write(json.dumps({"do": do, **what}) + "\n")
            pipe.flush()
            answer = self._answer()
        if "error" in answer:
            raise FleetError(f"{do} {what.get('name', '')}: {answer['error']}")

    def _answer(self) -> dict[str, Any]:
        try:
            answer = self._answers.get(timeout=_ANSWER_S)
        except queue.Empty:
            raise FleetError(
                f"the server of the cameras has not answered for {_ANSWER_S} s"
            ) from None
        if answer is None:
            log = (self._folder / "server.log").read_text("utf-8", "replace")[-2000:]
            raise FleetError(f"the server of the cameras has ended: {log}")
        return answer

    def _read(
        self, process: subprocess.Popen[str], answers: queue.SimpleQueue[dict[str, Any] | None]
    ) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said = json.loads(line)
            if "began" in said:
                with self._beginning:
                    self._began.update([said["began"]])
                    self._beginning.notify_all()
            else:
                answers.put(said)
        answers.put(None)
