"""How well this machine's own clock is kept, as the kernel knows from its NTP service."""

from __future__ import annotations

import ctypes
import ctypes.util

_UNSYNCHRONISED = 0x0040  # STA_UNSYNC of adjtimex(2)
_ERROR_STATE = 5  # TIME_ERROR, what ntp_adjtime(3) returns for a clock without time service
_MICROSECONDS = 1e6


class _Timex(ctypes.Structure):
    """``struct timex`` of Linux, as far as it is read, and room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def machine_error_s() -> float | None:
    """The largest error of this machine's clock, seconds.

    Returns:
        The bound that the kernel keeps for its NTP service (``maxerror`` of ``ntp_adjtime``, which
        grows by 500 parts in a million between two corrections); ``None`` where no service keeps
        the clock, or the system does not say.
    """
    name = ctypes.util.find_library("c")
    if name is None:
        return None
    try:
        ask = ctypes.CDLL(name, use_errno=True).ntp_adjtime
    except (OSError, AttributeError):
        return None
    state = _Timex(modes=0)  # asks only
    if ask(ctypes.byref(state)) in (-1, _ERROR_STATE) or state.status & _UNSYNCHRONISED:
        return None
    return float(state.maxerror) / _MICROSECONDS
