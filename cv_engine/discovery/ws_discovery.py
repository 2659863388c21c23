"""WS-Discovery: the probe that ONVIF devices answer.

This module has its own sockets, since the package WSDiscovery (2.1.2) reads some ten datagrams a
second after its probes (of 254 devices it missed 172 in five seconds) and stops at a malformed
answer.
"""

from __future__ import annotations

import selectors
import socket
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

from cv_engine.discovery.errors import DiscoveryError, not_installed
from cv_engine.errors import Failure

GROUP = ("239.255.255.250", 3702)  # multicast address and port of WS-Discovery
# Times of the probes, seconds. Two are sent, since datagrams get lost; devices answer within half a
# second, so all answers to the first have arrived before the second.
_PROBES_AT_S = (0.0, 1.0)
_DATAGRAM_BYTES = 65535  # the largest of UDP
# Buffer for simultaneous answers of a full network of 254; the system may grant less.
_BUFFER_BYTES = 2 * 2**20
_CAMERA = "NetworkVideoTransmitter"
_SCOPE = "onvif://www.onvif.org/"
_PROBE = f"""<?xml version="1.0" encoding="utf-8"?>
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"
 xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"
 xmlns:dn="http://www.onvif.org/ver10/network/wsdl">
<s:Header><a:MessageID>urn:uuid:{{message}}</a:MessageID>
<a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>
<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action></s:Header>
<s:Body><d:Probe><d:Types>dn:{_CAMERA}</d:Types></d:Probe></s:Body></s:Envelope>"""


@dataclass(frozen=True, slots=True)
class Device:
    """A camera, encoder or recorder that answered.

    Control characters are removed from all texts.

    Attributes:
        endpoint: Identifier of the device, which stays when the address changes.
        address: The IPv4 address of the answer.
        name: Configured name, often the maker's, or empty.
        hardware: Model, or empty.
        location: Configured location, or empty.
        services: HTTP addresses of the ONVIF service, those on ``address`` first.
    """

    endpoint: str
    address: str
    name: str
    hardware: str
    location: str
    services: tuple[str, ...]


def discover(timeout_s: float, *, interfaces: Sequence[str] | None = None) -> list[Device]:
    """Discover the cameras on all networks of this machine.

    Args:
        timeout_s: Time to wait for answers, seconds; most arrive within one.
        interfaces: IPv4 addresses of this machine to send from, ``None`` for all but loopback.

    Returns:
        Each device once, sorted by address.

    Raises:
        DiscoveryError: No network can be probed, or the extra ``onvif`` is not installed.
    """
    own = _own_addresses() if interfaces is None else interfaces
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in own
        ]
        usable = [link for link, address in zip(sockets, own, strict=True) if _bound(link, address)]
        answers = _answers(usable, timeout_s)
    return _once(device for data, source in answers for device in devices_in(data, source))


def devices_in(data: bytes, source: str) -> list[Device]:
    """Return the cameras in an answer; none if the datagram is no answer to a probe.

    Args:
        data: The datagram.
        source: IPv4 address of the sender.
    """
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError):  # LookupError: unknown encoding
        return []
    devices = []
    for match in root.findall(".//{*}ProbeMatch"):
        endpoint = printable(match.findtext("{*}EndpointReference/{*}Address") or "")
        scopes = [unquote(scope) for scope in (match.findtext("{*}Scopes") or "").split()]
        known = [scope[len(_SCOPE) :] for scope in scopes if scope.lower().startswith(_SCOPE)]
        # Some printers and computers answer probes for any type.
        camera = _CAMERA in (match.findtext("{*}Types") or "") or known
        if endpoint and camera:
            devices.append(
                Device(
                    endpoint,
                    source,
                    _scope_values(known, "name"),
                    _scope_values(known, "hardware"),
                    _scope_values(known, "location"),
                    _services(match.findtext("{*}XAddrs") or "", source),
                )
            )
    return devices


def printable(text: str) -> str:
    """Return untrusted ``text`` on one line, without control characters."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())


def _own_addresses() -> list[str]:
    try:
        import ifaddr
    except ImportError as error:
        raise not_installed("ifaddr") from error
    found = {str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4}
    return sorted(address for address in found if not IPv4Address(address).is_loopback)


def _bound(link: socket.socket, address: str) -> bool:
    """Bind ``link`` to send from ``address``; return whether the interface is there."""
    link.setblocking(False)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
    try:
        link.bind((address, 0))
        link.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
    except OSError:
        return False
    return True


def _answers(links: Sequence[socket.socket], timeout_s: float) -> list[tuple[bytes, str]]:
    """Send the probes and return every datagram received in time, with its sender."""
    answers: list[tuple[bytes, str]] = []
    due = list(_PROBES_AT_S)
    began = time.monotonic()
    with selectors.DefaultSelector() as selector:
        for link in links:
            selector.register(link, selectors.EVENT_READ)
        while (now := time.monotonic() - began) < timeout_s:
            if due and now >= due[0]:
                due.pop(0)
                _send_probe(links)
            for key, _ in selector.select(max(0.0, min([timeout_s, *due]) - now)):
                assert isinstance(key.fileobj, socket.socket)
                answers.extend(_received(key.fileobj))
    return answers


def _received(link: socket.socket) -> Iterator[tuple[bytes, str]]:
    while True:
        try:
            data, (source, _) = link.recvfrom(_DATAGRAM_BYTES)
        except OSError:  # no datagram is left
            return
        yield data, source


def _send_probe(links: Sequence[socket.socket]) -> None:
    # A new identifier each time: devices answer an identifier once, and that answer may get lost.
    probe = _PROBE.format(message=uuid.uuid4()).encode()
    sent = 0
    for link in links:
        try:
            sent += link.sendto(probe, GROUP) > 0
        except OSError:  # a tunnel, or an interface that is down
            continue
    if not sent:
        raise DiscoveryError(
            "there is no network to look for cameras on: no interface of this machine has an IPv4 "
            "address and can send multicast; check `ip address`, and in a container use the "
            "host's network",
            Failure.UNAVAILABLE,
        )


def _scope_values(scopes: Sequence[str], name: str) -> str:
    """Return the values of a device's scopes ``name/...``, joined."""
    parts = [scope[len(name) + 1 :] for scope in scopes if scope.lower().startswith(f"{name}/")]
    return printable(", ".join(dict.fromkeys(parts)))


def _services(text: str, source: str) -> tuple[str, ...]:
    """Return the HTTP addresses in ``text``, first those on the address of the answer."""
    found = []
    for address in dict.fromkeys(map(printable, text.split())):
        try:
            parts = urlsplit(address)
            port = parts.port
        except ValueError:  # invalid brackets or port
            continue
        if parts.scheme in ("http", "https") and parts.hostname and port != 0:
            found.append((parts.hostname != source, address))
    return tuple(address for _, address in sorted(found, key=lambda entry: entry[0]))


def _once(devices: Iterable[Device]) -> list[Device]:
    """Merge by endpoint: devices answer each probe on each network shared with this machine."""
    known: dict[str, Device] = {}
    for device in devices:
        before = known.setdefault(device.endpoint, device)
        services = tuple(dict.fromkeys((*before.services, *device.services)))
        known[device.endpoint] = replace(before, services=services)
    return sorted(known.values(), key=lambda d: (IPv4Address(d.address), d.endpoint))
