"""A small ONVIF device: answers WS-Discovery probes, and SOAP over HTTP with digest checks."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import ClassVar
from xml.etree import ElementTree

from cv_engine.discovery.ws_discovery import GROUP
from tests.http_server import PostServer

USER, PASSWORD = "viewer", "se/cr@t 1&?"
_CLOCK_TOLERANCE = timedelta(minutes=5)  # cameras refuse digests that are older
_SPREAD_S = 0.5 / 254
_ENVELOPE = """<?xml version="1.0" encoding="utf-8"?>
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"
 xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"
 xmlns:dn="http://www.onvif.org/ver10/network/wsdl" xmlns:tt="http://www.onvif.org/ver10/schema"
 xmlns:tds="http://www.onvif.org/ver10/device/wsdl" xmlns:trt="http://www.onvif.org/ver10/media/wsdl"
 xmlns:ter="http://www.onvif.org/ver10/error"><s:Header>{header}</s:Header>
<s:Body>{body}</s:Body></s:Envelope>"""
_MATCH = """<d:ProbeMatch><a:EndpointReference>
<a:Address>{endpoint}</a:Address></a:EndpointReference>
<d:Types>{types}</d:Types><d:Scopes>{scopes}</d:Scopes><d:XAddrs>{services}</d:XAddrs>
<d:MetadataVersion>1</d:MetadataVersion></d:ProbeMatch>"""
_PROFILE = """<trt:Profiles token="{token}" fixed="true"><tt:Name>{token}</tt:Name>
<tt:VideoSourceConfiguration token="c{source}"><tt:Name>c</tt:Name><tt:UseCount>1</tt:UseCount>
<tt:SourceToken>{source}</tt:SourceToken><tt:Bounds x="0" y="0" width="1920" height="1080"/>
</tt:VideoSourceConfiguration>
<tt:VideoEncoderConfiguration token="e"><tt:Name>e</tt:Name><tt:UseCount>1</tt:UseCount>
<tt:Encoding>H264</tt:Encoding><tt:Resolution><tt:Width>{width}</tt:Width>
<tt:Height>{height}</tt:Height></tt:Resolution><tt:Quality>4</tt:Quality><tt:RateControl>
<tt:FrameRateLimit>25</tt:FrameRateLimit><tt:EncodingInterval>1</tt:EncodingInterval>
<tt:BitrateLimit>4096</tt:BitrateLimit></tt:RateControl><tt:SessionTimeout>PT60S</tt:SessionTimeout>
</tt:VideoEncoderConfiguration></trt:Profiles>"""
_FAULT = """<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>ter:{code}</s:Value>
</s:Subcode></s:Code><s:Reason><s:Text xml:lang="en">{text}</s:Text></s:Reason></s:Fault>"""


def probe_match(
    endpoint: str,
    *,
    services: str = "http://127.0.0.1/onvif/device_service",
    scopes: str = "onvif://www.onvif.org/name/Market%20Street",
    types: str = "dn:NetworkVideoTransmitter",
) -> bytes:
    """An answer to a probe, as a datagram."""
    match = _MATCH.format(endpoint=endpoint, services=services, scopes=scopes, types=types)
    return _ENVELOPE.format(header="", body=f"<d:ProbeMatches>{match}</d:ProbeMatches>").encode()


class Responder:
    """Answers the probes that come from one address: other tests use the same group.

    Args:
        asker: The address whose probes are answered.
        answers: The datagrams sent for each probe.
    """

    def __init__(self, asker: str, answers: Iterable[bytes]) -> None:
        self._asker = asker
        self._answers = list(answers)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(GROUP)
        membership = socket.inet_aton(GROUP[0]) + socket.inet_aton("127.0.0.1")
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        self._socket.settimeout(0.05)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Responder:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join()
        self.close()

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                probe, (address, port) = self._socket.recvfrom(65535)
            except TimeoutError:
                continue
            if address == self._asker and b"dn:NetworkVideoTransmitter" in probe:
                ElementTree.fromstring(probe)  # a device answers what is well formed
                for answer in self._answers:
                    self._socket.sendto(answer, (address, port))
                    # Devices wait up to half a second, each its own time, so as not to collide.
                    self._stopping.wait(_SPREAD_S)


@dataclass
class OnvifDevice(PostServer):
    """The SOAP side of a camera, on a free port of loopback.

    Attributes:
        profiles: Token, picture source, width and height of each profile.
        uri: The stream's address for a token.
        ahead: By how much its clock is wrong.
        services_known: Whether it answers GetServices; old devices know GetCapabilities only.
        says: What it answers to everything, where it is no good ONVIF device.
        asked: The requests that came, by name.
    """

    answers: ClassVar[str] = "application/soap+xml; charset=utf-8"

    profiles: tuple[tuple[str, str, int, int], ...] = (
        ("main", "view-1", 1920, 1080),
        ("sub", "view-1", 640, 360),
    )
    uri: Callable[[str], str] = "rtsp://127.0.0.1:8554/{}".format
    ahead: timedelta = timedelta()
    services_known: bool = True
    says: bytes | None = None
    asked: list[str] = field(default_factory=list)

    @property
    def service(self) -> str:
        return f"http://127.0.0.1:{self.port}/onvif/device_service"

    def answer(self, request: bytes) -> tuple[int, bytes]:
        """The HTTP status and body for a request."""
        if self.says is not None:
            return 200, self.says
        body = ElementTree.fromstring(request).find("{*}Body")
        assert body is not None
        name = body[0].tag.partition("}")[2]
        self.asked.append(name)
        if name != "GetSystemDateAndTime" and not self._allowed(request):
            return _fault("NotAuthorized", "Sender not authorized")
        if name == "GetServices" and not self.services_known:
            return _fault("ActionNotSupported", "Optional action not implemented")
        return 200, _ENVELOPE.format(header="", body=self._body(name, request.decode())).encode()

    def _allowed(self, request: bytes) -> bool:
        token = ElementTree.fromstring(request).find(".//{*}UsernameToken")
        if token is None or token.findtext("{*}Username") != USER:
            return False
        nonce = base64.b64decode(token.findtext("{*}Nonce") or "")
        created = token.findtext("{*}Created") or ""
        age = datetime.now(UTC) + self.ahead - datetime.fromisoformat(created)
        digest = hashlib.sha1(nonce + created.encode() + PASSWORD.encode()).digest()
        sent = token.findtext("{*}Password") or ""
        return abs(age) < _CLOCK_TOLERANCE and sent == base64.b64encode(digest).decode()

    def _body(self, name: str, request: str) -> str:
        media = self.service.replace("device_service", "media")
        if name == "GetSystemDateAndTime":
            now = datetime.now(UTC) + self.ahead
            return (
                "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime>"
                "<tt:DateTimeType>Manual</tt:DateTimeType>"
                "<tt:DaylightSavings>false</tt:DaylightSavings><tt:UTCDateTime><tt:Time>"
                f"<tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute>"
                f"<tt:Second>{now.second}</tt:Second></tt:Time><tt:Date><tt:Year>{now.year}</tt:Year>"
                f"<tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day></tt:Date></tt:UTCDateTime>"
                "</tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
            )
        if name == "GetServices":
            return (
                "<tds:GetServicesResponse><tds:Service>"
                "<tds:Namespace>http://www.onvif.org/ver10/media/wsdl</tds:Namespace>"
                f"<tds:XAddr>{media}</tds:XAddr><tds:Version><tt:Major>2</tt:Major>"
                "<tt:Minor>60</tt:Minor></tds:Version></tds:Service></tds:GetServicesResponse>"
            )
        if name == "GetCapabilities":
            return (
                "<tds:GetCapabilitiesResponse><tds:Capabilities><tt:Media>"
                f"<tt:XAddr>{media}</tt:XAddr><tt:StreamingCapabilities/></tt:Media>"
                "</tds:Capabilities></tds:GetCapabilitiesResponse>"
            )
        if name == "GetProfiles":
            listed = "".join(
                _PROFILE.format(token=token, source=source, width=width, height=height)
                for token, source, width, height in self.profiles
            )
            return f"<trt:GetProfilesResponse>{listed}</trt:GetProfilesResponse>"
        asked = re.search(r"ProfileToken>([^<]*)<", request)
        assert name == "GetStreamUri" and asked is not None
        uri = self.uri(asked[1]).replace("&", "&amp;")
        return (
            f"<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>{uri}</tt:Uri>"
            "<tt:InvalidAfterConnect>false</tt:InvalidAfterConnect>"
            "<tt:InvalidAfterReboot>false</tt:InvalidAfterReboot><tt:Timeout>PT60S</tt:Timeout>"
            "</trt:MediaUri></trt:GetStreamUriResponse>"
        )


def _fault(code: str, text: str) -> tuple[int, bytes]:
    return 400, _ENVELOPE.format(header="", body=_FAULT.format(code=code, text=text)).encode()
