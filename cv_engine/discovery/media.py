"""Where a camera's streams are: asked of its ONVIF service with its user's name and password."""

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
from cv_engine.discovery.probe import Device, printable

# A camera answers its four to ten questions in a second or two; old ones take five.
ANSWER_S = 15.0
_AT_ONCE = 16  # devices asked at a time: each keeps a few connections open
_HIDDEN = "***"
_END = r"(?=_\w+=|[&;/?#]|$)"  # of a parameter; some makers part them with underscores
_SECRET = re.compile(rf"(?i)((?:password|passwd|pass|pwd)=)[^&;/?#]*?{_END}")
_REFUSED = frozenset({"NotAuthorized", "FailedAuthentication", "InvalidSecurity"})
_UNICAST = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}


@dataclass(frozen=True, slots=True)
class Stream:
    """One of the streams that a device offers.

    Attributes:
        profile: The device's name for it.
        source: The device's name for the picture it shows; an encoder or recorder has several.
        codec: As the device names it, such as H264, or empty.
        width: Pixels, 0 where the device does not tell.
        height: Pixels, likewise.
        rate: Pictures per second at most, 0 likewise.
        url: Its RTSP address, without name and password; where the device has put a password
            among the parameters, ``***`` stands in its place.
    """

    profile: str
    source: str
    codec: str
    width: int
    height: int
    rate: float
    url: str


def streams(device: Device, user: str, password: str) -> list[Stream]:
    """Ask one device for its streams.

    Args:
        device: As found.
        user: Name of a user of the device.
        password: Goes over the network as a digest only.

    Returns:
        Its video streams, in its own order.

    Raises:
        DiscoveryError: It cannot be reached, refuses the name or password, does not answer as
            an ONVIF device or offers no stream; or the extra ``onvif`` is not installed.
    """
    (answer,) = streams_of([device], user, password)
    if isinstance(answer, DiscoveryError):
        raise answer
    return answer


def streams_of(
    devices: Sequence[Device], user: str, password: str
) -> list[list[Stream] | DiscoveryError]:
    """Ask many devices at once; for each its streams as of :func:`streams`, or its error.

    Raises:
        DiscoveryError: The extra ``onvif`` is not installed.
    """
    library = _library()

    async def ask_all() -> list[list[Stream] | DiscoveryError]:
        free = asyncio.Semaphore(_AT_ONCE)

        async def ask(device: Device) -> list[Stream] | DiscoveryError:
            async with free:
                return await _ask(library, device, user, password)

        return await asyncio.gather(*map(ask, devices))

    return asyncio.run(ask_all())


def _library() -> Any:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        import onvif
    except ImportError as error:
        raise not_installed("onvif-zeep-async") from error
    finally:  # its import turns on log lines of the whole program
        root.handlers[:] = handlers
        root.setLevel(level)
    return onvif


async def _ask(
    library: Any, device: Device, user: str, password: str
) -> list[Stream] | DiscoveryError:
    # The standard gives this address to a device that does not name its own.
    where = urlsplit([*device.services, f"http://{device.address}/onvif/device_service"][0])
    port = where.port or (443 if where.scheme == "https" else 80)
    # adjust_time: the digest holds the time, and many cameras' clocks were never set.
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
    except Exception as error:  # a stranger's answer may break anywhere; the others go on
        return DiscoveryError(f"{device.address}: {_reason(error, user)}")
    finally:
        await camera.close()


async def _streams(camera: Any, password: str) -> list[Stream]:
    from zeep.exceptions import Fault

    await camera.update_xaddrs()
    media = await camera.create_media_service()
    found = []
    for profile in await media.GetProfiles() or []:
        if profile.VideoEncoderConfiguration is None:  # sound or metadata only
            continue
        try:
            answer = await media.GetStreamUri(
                {"StreamSetup": _UNICAST, "ProfileToken": profile.token}
            )
        except Fault as fault:
            if _refuses(fault):
                raise
            continue  # a profile that is listed and switched off
        url = without_secrets(printable(answer.Uri or ""), password)
        if urlsplit(url).scheme in ("rtsp", "rtsps"):
            found.append(_stream(profile, url))
    if not found:
        raise DiscoveryError("offers no RTSP stream; see the settings of the device")
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
    """``url`` without name and password; some devices put those of their users into it."""
    for secret in {password, quote(password, safe="")} - {""}:
        # As it is, for it may hold the very letters that part an address.
        url = re.sub(rf"//[^/@]*:{re.escape(secret)}@", "//", url)
        url = re.sub(rf"={re.escape(secret)}{_END}", f"={_HIDDEN}", url)
    parts = urlsplit(_SECRET.sub(rf"\1{_HIDDEN}", url))
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _refuses(error: Exception) -> bool:
    """Whether the device says that name or password are wrong: as a fault, or as HTTP does."""
    codes = {getattr(code, "localname", str(code)) for code in getattr(error, "subcodes", ()) or ()}
    return bool(codes & _REFUSED) or getattr(error, "status_code", None) in (401, 403)


def _reason(error: Exception, user: str) -> str:
    """What went wrong with a device, in words."""
    from aiohttp import ClientError
    from zeep.exceptions import Fault

    if _refuses(error):
        return (
            f"refuses the user {user!r} or the password; many cameras have users of their own for "
            "ONVIF, which their web page makes"
        )
    if isinstance(error, TimeoutError):
        return f"does not answer within {ANSWER_S:.0f} s"
    if isinstance(error, ClientError | OSError):
        number = getattr(error, "errno", None)  # aiohttp's own text says less
        return f"cannot be reached ({os.strerror(number) if number else type(error).__name__})"
    if isinstance(error, Fault):
        return f"refuses to answer: {printable(str(error.message))}"
    return f"does not answer as an ONVIF device ({type(error).__name__})"
