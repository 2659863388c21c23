"""Network connections to cameras, plain or by TLS."""

from __future__ import annotations

import socket
import ssl

from cv_engine.live.stream.address import Address


def connect(address: Address, port: int, timeout_s: float, *, secure: bool) -> socket.socket:
    """Connects to a camera.

    Args:
        address: Address of the stream; names the host.
        port: TCP port.
        timeout_s: Longest wait for each step, seconds.
        secure: Whether to connect by TLS.

    Raises:
        OSError: The camera cannot be reached, or TLS fails.
    """
    plain = socket.create_connection((address.host, port), timeout=timeout_s)
    if not secure:
        return plain
    # Cameras sign their certificates themselves, so they cannot be verified.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        return context.wrap_socket(plain, server_hostname=address.host)
    except BaseException:
        plain.close()
        raise
