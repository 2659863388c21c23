"""Queries for a camera's streams at its ONVIF service, with a user's name and password."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from cv_engine.discovery.errors import DiscoveryError, not_installed
from cv_engine.discovery.ws_discovery import Device, printable

# A camera answers four to ten requests in a second or two; old ones take five.
ANSWER_S = 15.0
_AT_ONCE = 16  # devices queried at a time, each with a few open connections
_HIDDEN = "***"
_END = r"(?=_\w+=|[&;/?#]|$)"  # of a parameter; some makers separate them by underscores
_SECRET = re.compile(rf"(?i)((?:password|passwd|pass|pwd)=)[^&;/?#]*?{_END}")
_REFUSED = frozenset({"NotAuthorized", "FailedAuthentication", "InvalidSecurity"})
_UNICAST = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream that a device offers.

    Attributes:
        profile: The device's name for the stream.
        source: The device's name for the video source; an encoder or recorder has several.
        codec: The device's name for the codec, such as H264, or empty.
        width: Width in pixels, 0 if unknown.
        height: Height in pixels, 0 if unknown.
        rate: Largest number of frames per second, 0 if unknown.
        url: RTSP address without name and password; ``***`` replaces a password among the
            parameters.
    """

    profile: str
    source: str
    codec: str
    width: int
    height: int
    rate: float
    url: str


def streams(device: Device, user: str, password: str) -> list[Stream]:
    """Query one device for its streams.

    Args:
        device: The device, as discovered.
        user: Name of a user of the device.
        password: Password of the user, sent as a digest only.

    Returns:
        The device's video streams, in its own order.

    Raises:
        DiscoveryError: The device cannot be reached, refuses the name or password, does not answer
            as an ONVIF device or offers no stream; or the extra ``onvif`` is not installed.
    """
    (answer,) = streams_of([device], user, password)
    if isinstance(answer, DiscoveryError):
        raise answer
    return answer


def streams_of(
    devices: Sequence[Device], user: str, password: str
) -> list[list[Stream] | DiscoveryError]:
    """Query many devices at once; return for each its streams (see :func:`streams`) or error.

    Raises:
        DiscoveryError: The extra ``onvif`` is not installed.
    """
    library = onvif_library()

    async def ask_all() -> list[list[Stream] | DiscoveryError]:
        free = asyncio.Semaphore(_AT_ONCE)

        async def ask(device: Device) -> list[Stream] | DiscoveryError:
            async with free:
                return await _ask(library, device, user, password)

        return await asyncio.gather(*map(ask, devices))

    return asyncio.run(ask_all())


def onvif_library() -> Any:
    """The library of the extra ``onvif``.

    Raises:
        DiscoveryError: The extra is not installed.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        import onvif
    except ImportError as error:
        raise not_installed("onvif-zeep-async") from error
    finally:  # the import turns on logging in the whole program
        root.handlers[:] = handlers
        root.setLevel(level)
    return onvif


async def _ask(
    library: Any, device: Device, user: str, password: str
) -> list[Stream] | DiscoveryError:
    # The standard's address for a device that does not give one.
    where = urlsplit([*device.services, f"http://{device.address}/onvif/device_service"][0])
    port = where.port or (443 if where.scheme == "https" else 80)
    # adjust_time: the digest contains the time, and the clocks of many cameras are wrong.
    camera = library.ONVIFCamera(
        f"{where.scheme}://{where.hostname}",
        port,
        user,
        password,
        no_cache=True,
        adjust_time=True,
    )
    try:
        async with asyncio.timeout(ANSWER_S):
            return await _streams(camera, password)
    except DiscoveryError as error:
        return DiscoveryError(f"{device.address}: {error}")
    except Exception as error:  # any answer may break the library; the other devices continue
        return DiscoveryError(f"{device.address}: {reason_of(error, user)}")
    finally:
        await camera.close()


async def _streams(camera: Any, password: str) -> list[Stream]:
    from zeep.exceptions import Fault

    await camera.update_xaddrs()
    media = await camera.create_media_service()
    found = []
    for profile in await media.GetProfiles() or []:
        if profile.VideoEncoderConfiguration is None:  # audio or metadata only
            continue
        try:
            answer = await media.GetStreamUri(
                {"StreamSetup": _UNICAST, "ProfileToken": profile.token}
            )
        except Fault as fault:
            if _refuses(fault):
                raise
            continue  # a profile that is listed but switched off
        url = without_secrets(printable(answer.Uri or ""), password)
        if urlsplit(url).scheme in ("rtsp", "rtsps"):
            found.append(_stream(profile, url))
    if not found:
        raise DiscoveryError("the device offers no RTSP stream; see its settings")
    return found


def _stream(profile: Any, url: str) -> Stream:
    encoder = profile.VideoEncoderConfiguration
    source = profile.VideoSourceConfiguration
    size, limits = encoder.Resolution, encoder.RateControl
    return Stream(
        profile=printable(str(profile.Name or profile.token)),
        source="" if source is None else printable(str(source.SourceToken or "")),
        codec=printable(str(encoder.Encoding or "")),
        width=0 if size is None else int(size.Width or 0),
        height=0 if size is None else int(size.Height or 0),
        rate=0.0 if limits is None else float(limits.FrameRateLimit or 0),
        url=url,
    )


def without_secrets(url: str, password: str) -> str:
    """Return ``url`` without name and password, which some devices put into it."""
    for secret in {password, quote(password, safe="")} - {""}:
        # Replaced before parsing, since a password may contain the separators of an address.
        url = re.sub(rf"//[^/@]*:{re.escape(secret)}@", "//", url)
        url = re.sub(rf"={re.escape(secret)}{_END}", f"={_HIDDEN}", url)
    parts = urlsplit(_SECRET.sub(rf"\1{_HIDDEN}", url))
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _refuses(error: Exception) -> bool:
    """Whether the device refuses name or password, by a SOAP fault or an HTTP status."""
    codes = {getattr(code, "localname", str(code)) for code in getattr(error, "subcodes", ()) or ()}
    return bool(codes & _REFUSED) or getattr(error, "status_code", None) in (401, 403)


def reason_of(error: Exception, user: str) -> str:
    """Return the reason of a device's failure, for people."""
    from aiohttp import ClientError
    from zeep.exceptions import Fault

    if _refuses(error):
        return (
            f"refuses the user {user!r} or the password; many cameras have separate users for "
            "ONVIF, which are created on their web page"
        )
    if isinstance(error, TimeoutError):
        return f"does not answer within {ANSWER_S:.0f} s"
    if isinstance(error, ClientError | OSError):
        number = getattr(error, "errno", None)  # more than aiohttp's own text
        return f"cannot be reached ({os.strerror(number) if number else type(error).__name__})"
    if isinstance(error, Fault):
        return f"refuses to answer: {printable(str(error.message))}"
    return f"does not answer as an ONVIF device ({type(error).__name__})"
