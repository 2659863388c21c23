"""The clock of an ONVIF device, compared with this machine's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from cv_engine.discovery.errors import DiscoveryError
from cv_engine.discovery.onvif_streams import ANSWER_S, onvif_library, reason_of

# A device tells whole seconds. Asked this often, at this interval, it is caught within an eighth of
# a second of the moment at which its second changes, whenever that is.
_TIMES, _PAUSE_S = 10, 0.125


@dataclass(frozen=True, slots=True)
class DeviceClock:
    """What is known of a device's clock.

    Attributes:
        error_s: The device's clock less this machine's, seconds.
        within_s: Half-width of the interval in which the true difference lies, seconds.
    """

    error_s: float
    within_s: float


def device_clock(address: str, wall: Callable[[], float]) -> DeviceClock:
    """Compares a device's clock with this machine's (ONVIF's ``GetSystemDateAndTime``).

    Each answer bounds the difference: the device's time lies in the second that it tells, at a
    moment between question and answer. The bounds of several answers are intersected. No user is
    needed: a device answers this question to everybody.

    Args:
        address: Address of the device service, such as ``http://10.0.0.5/onvif/device_service``.
        wall: This machine's clock, seconds since 1970.

    Raises:
        DiscoveryError: The device does not answer, or its clock was set meanwhile; or the extra
            ``onvif`` is not installed.
    """
    return asyncio.run(_compare(onvif_library(), address, wall))


async def _compare(library: Any, address: str, wall: Callable[[], float]) -> DeviceClock:
    where = urlsplit(address)
    port = where.port or (443 if where.scheme == "https" else 80)
    camera = library.ONVIFCamera(
        f"{where.scheme}://{where.hostname}", port, None, None, no_cache=True
    )
    low, high = float("-inf"), float("inf")
    try:
        async with asyncio.timeout(ANSWER_S):
            service = await camera.create_devicemgmt_service()
            for number in range(_TIMES):
                if number:
                    await asyncio.sleep(_PAUSE_S)
                asked_s = wall()
                answer = await service.authless_GetSystemDateAndTime()
                answered_s = wall()
                told_s = _seconds(answer)
                low = max(low, told_s - answered_s)
                high = min(high, told_s + 1.0 - asked_s)
    except DiscoveryError as error:
        raise DiscoveryError(f"{where.hostname}: {error}") from None
    except Exception as error:  # any answer may break the library
        raise DiscoveryError(f"{where.hostname}: {reason_of(error, '')}") from None
    finally:
        await camera.close()
    if low > high:
        raise DiscoveryError(f"{where.hostname}: the device's clock was set meanwhile; try again")
    return DeviceClock((low + high) / 2, (high - low) / 2)


def _seconds(answer: Any) -> float:
    """The time that a device tells, seconds since 1970."""
    told = answer.UTCDateTime
    if told is None:
        raise DiscoveryError("the device does not tell its time in UTC")
    day, time = told.Date, told.Time
    try:
        at = datetime(day.Year, day.Month, day.Day, time.Hour, time.Minute, time.Second, tzinfo=UTC)
    except (TypeError, ValueError) as error:
        raise DiscoveryError(f"the device tells no time: {error}") from None
    return at.timestamp()
