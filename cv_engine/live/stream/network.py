"""Network connections to cameras, plain or by TLS."""

from __future__ import annotations

import socket

from cv_engine.live.stream.address import Address
from cv_engine.live.stream.tls import secured


def connect(address: Address, port: int, timeout_s: float, *, secure: bool) -> socket.socket:
    """Connects to a camera.

    Args:
        address: Address of the stream; names the host.
        port: TCP port.
        timeout_s: Longest wait for each step, seconds.
        secure: Whether to connect by TLS.

    Raises:
        StreamError: The camera's certificate is not trusted.
        OSError: The camera cannot be reached, or TLS fails.
    """
    plain = socket.create_connection((address.host, port), timeout=timeout_s)
    return secured(plain, address.host, address.trust) if secure else plain
