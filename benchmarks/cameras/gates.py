"""Who may watch which camera: users, passwords and TLS.

Runs under the system's Python, which has GStreamer: nothing but the standard library and ``gi``.
"""

from __future__ import annotations

from typing import Any

import gi  # type: ignore[import-not-found]

gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import (  # type: ignore[import-not-found]  # noqa: E402
    Gio,
    GstRtsp,
    GstRtspServer,
)

_ANYBODY = "anybody"


class Gate:
    """The access control of one server.

    Args:
        scheme: ``basic`` or ``digest``.
        certificate: A PEM file of key and certificate; ``None``: no TLS.
    """

    def __init__(self, scheme: str, certificate: str | None) -> None:
        self._digest = scheme == "digest"
        self.auth = GstRtspServer.RTSPAuth()
        self.auth.set_supported_methods(
            GstRtsp.RTSPAuthMethod.DIGEST if self._digest else GstRtsp.RTSPAuthMethod.BASIC
        )
        self.auth.set_default_token(_token(_ANYBODY))
        if certificate is not None:
            self.auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(certificate))

    def admit(self, user: str, password: str) -> None:
        """Adds a user."""
        if self._digest:
            self.auth.add_digest(user, password, _token(user))
        else:
            basic = GstRtspServer.RTSPAuth.make_basic(user, password)
            self.auth.add_basic(basic, _token(user))


def permissions(user: str | None) -> Any:
    """What a camera grants: everything to its user, or to anybody where it has none."""
    granted = GstRtspServer.RTSPPermissions.new()
    access = GstRtspServer.RTSP_PERM_MEDIA_FACTORY_ACCESS
    construct = GstRtspServer.RTSP_PERM_MEDIA_FACTORY_CONSTRUCT
    # A client without the access permission would get the answer that there is no such camera.
    for role, may_watch in ((_ANYBODY, user is None), *(((user, True),) if user else ())):
        granted.add_permission_for_role(role, access, True)
        granted.add_permission_for_role(role, construct, may_watch)
    return granted


def _token(role: str) -> Any:
    token = GstRtspServer.RTSPToken.new()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, role)
    return token
