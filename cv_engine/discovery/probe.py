"""Which cameras answer on the network: the WS-Discovery probe that ONVIF devices listen for.

The sockets are our own. The package WSDiscovery (2.1.2) reads some ten datagrams a second once its
probes are out: of 254 devices it missed 172 in five seconds. One malformed answer ends its thread.
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

GROUP = ("239.255.255.250", 3702)  # where WS-Discovery has devices listen
# When a probe is sent, seconds. Datagrams get lost, so there are two; devices wait up to half a
# second with their answer, so the second comes when those to the first are in.
_PROBES_AT_S = (0.0, 1.0)
_DATAGRAM_BYTES = 65535  # the longest that UDP carries
# Room for the answers of a full network of 254 at once; the system may give less.
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

    What it says of itself is stripped of characters that a terminal would obey.

    Attributes:
        endpoint: What it calls itself; stays the same when its address changes.
        address: The IPv4 address that it answered from.
        name: The name it gives itself, often the maker's, or empty.
        hardware: Its model, or empty.
        location: Where it was told that it hangs, or empty.
        services: HTTP addresses of its ONVIF service, those on ``address`` first.
    """

    endpoint: str
    address: str
    name: str
    hardware: str
    location: str
    services: tuple[str, ...]


def discover(timeout_s: float, *, interfaces: Sequence[str] | None = None) -> list[Device]:
    """Ask all networks that this machine is on for cameras.

    Args:
        timeout_s: How long to wait for answers, seconds; most come within one.
        interfaces: IPv4 addresses of this machine to ask from, ``None`` for all but loopback.

    Returns:
        Each device once, by address.

    Raises:
        DiscoveryError: There is no network to ask on, or the extra ``onvif`` is not installed.
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
    """The cameras that an answer names; none where it is no answer to a probe.

    Args:
        data: The datagram.
        source: The IPv4 address that it came from.
    """
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError):  # the latter: unknown encodings
        return []
    devices = []
    for match in root.findall(".//{*}ProbeMatch"):
        endpoint = printable(match.findtext("{*}EndpointReference/{*}Address") or "")
        scopes = [unquote(scope) for scope in (match.findtext("{*}Scopes") or "").split()]
        told = [scope[len(_SCOPE) :] for scope in scopes if scope.lower().startswith(_SCOPE)]
        # Some printers and computers answer every probe, whatever it asks for.
        camera = _CAMERA in (match.findtext("{*}Types") or "") or told
        if endpoint and camera:
            devices.append(
                Device(
                    endpoint,
                    source,
                    _told(told, "name"),
                    _told(told, "hardware"),
                    _told(told, "location"),
                    _services(match.findtext("{*}XAddrs") or "", source),
                )
            )
    return devices


def printable(text: str) -> str:
    """``text`` of a stranger on one line, without characters that a terminal would obey."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())


def _own_addresses() -> list[str]:
    try:
        import ifaddr
    except ImportError as error:
        raise not_installed("ifaddr") from error
    found = {str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4}
    return sorted(address for address in found if not IPv4Address(address).is_loopback)


def _bound(link: socket.socket, address: str) -> bool:
    """Whether ``link`` can be made to send from ``address``; interfaces come and go."""
    link.setblocking(False)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
    try:
        link.bind((address, 0))
        link.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
    except OSError:
        return False
    return True


def _answers(links: Sequence[socket.socket], timeout_s: float) -> list[tuple[bytes, str]]:
    """Every datagram that came back, with its sender; read at once, understood later."""
    answers: list[tuple[bytes, str]] = []
    due = list(_PROBES_AT_S)
    began = time.monotonic()
    with selectors.DefaultSelector() as selector:
        for link in links:
            selector.register(link, selectors.EVENT_READ)
        while (now := time.monotonic() - began) < timeout_s:
            if due and now >= due[0]:
                due.pop(0)
                _ask(links)
            for key, _ in selector.select(max(0.0, min([timeout_s, *due]) - now)):
                assert isinstance(key.fileobj, socket.socket)
                answers.extend(_waiting(key.fileobj))
    return answers


def _waiting(link: socket.socket) -> Iterator[tuple[bytes, str]]:
    while True:
        try:
            data, (source, _) = link.recvfrom(_DATAGRAM_BYTES)
        except OSError:  # none is left
            return
        yield data, source


def _ask(links: Sequence[socket.socket]) -> None:
    # A new number each time: devices answer a number once, and that answer may have been lost.
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


def _told(scopes: Sequence[str], what: str) -> str:
    """What a device tells in its scopes ``what/...``; several are joined."""
    parts = [scope[len(what) + 1 :] for scope in scopes if scope.lower().startswith(f"{what}/")]
    return printable(", ".join(dict.fromkeys(parts)))


def _services(text: str, source: str) -> tuple[str, ...]:
    """The HTTP addresses in ``text``, first those on the address that is known to answer."""
    found = []
    for address in dict.fromkeys(map(printable, text.split())):
        try:
            parts = urlsplit(address)
            port = parts.port
        except ValueError:  # brackets or a port that are none
            continue
        if parts.scheme in ("http", "https") and parts.hostname and port != 0:
            found.append((parts.hostname != source, address))
    return tuple(address for _, address in sorted(found, key=lambda entry: entry[0]))


def _once(devices: Iterable[Device]) -> list[Device]:
    """Each endpoint once: devices answer each probe, on each network that they share with us."""
    known: dict[str, Device] = {}
    for device in devices:
        before = known.setdefault(device.endpoint, device)
        services = tuple(dict.fromkeys((*before.services, *device.services)))
        known[device.endpoint] = replace(before, services=services)
    return sorted(known.values(), key=lambda d: (IPv4Address(d.address), d.endpoint))
