"""An RTSP server of many cameras: ``python3 -m benchmarks.cameras.server SETTINGS``.

Runs under the system's Python, which has GStreamer: nothing but the standard library and ``gi``.
Settings are a JSON object: ``port`` and ``tls_port`` (0: any), ``certificate`` (a PEM file of key
and certificate, or null: no TLS) and ``scheme`` (``basic`` or ``digest``). The first line on the
standard output names the ports. Commands come as JSON lines on the standard input,
``{"do": "freeze", "name": "east", ...}``; each is answered by one line, ``{"done": true}`` or
``{"error": "..."}``. Between them come ``{"began": [NAME, TIME]}`` when a camera's footage begins,
epoch seconds. The server ends with its standard input.
"""

from __future__ import annotations

import json
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import gi  # type: ignore[import-not-found]

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import (  # type: ignore[import-not-found]  # noqa: E402
    GLib,
    Gst,
    GstApp,
    GstRtspServer,
)

from benchmarks.cameras.gates import Gate, permissions  # noqa: E402
from benchmarks.cameras.mount import Mount, Pacer, SharedFootage  # noqa: E402
from benchmarks.cameras.wiring import factory  # noqa: E402

assert GstApp  # gives appsrc its methods
_WAITING_CLIENTS = 512  # a program that starts connects to all cameras at once
_CLEAN_EVERY_S = 2  # sessions of clients that disconnected silently are removed
_FAREWELL_MS = 500  # between the end of a camera's footage and the end of its connections


class Server:
    """The server and its cameras.

    Args:
        settings: The object that the module's docstring describes.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self._mounts = GstRtspServer.RTSPMountPoints()
        self._footage: dict[str, SharedFootage] = {}
        self._watching: dict[Any, set[str]] = {}
        self._saying = threading.Lock()
        self._gates: list[Gate] = []
        self._pacer = Pacer()
        ports = {"port": self._listen(settings["port"], settings["scheme"], None)}
        if settings["certificate"]:
            tls = self._listen(settings["tls_port"], settings["scheme"], settings["certificate"])
            ports["tls_port"] = tls
        self._pacer.start()
        self.say(ports)

    def say(self, what: dict[str, Any]) -> None:
        """Writes one line to the process that started the server."""
        with self._saying:
            print(json.dumps(what), flush=True)

    def obey(self, command: dict[str, Any]) -> None:
        """Runs one command.

        Raises:
            KeyError, ValueError: The command is not valid.
        """
        do, name = command.pop("do"), command.pop("name")
        if do == "add":
            self._add(name, **command)
            return
        mount = self._pacer.mounts[name]
        if do == "freeze":
            mount.frozen = command["on"]
        elif do == "corrupt":
            mount.corrupt_share = command["share"]
        elif do == "jump":
            mount.jump(round(command["seconds"] * 1e9))
        elif do == "switch":
            mount.switch(self._load(command["footage"]))
        elif do == "kick":
            self._kick(name)
        else:
            raise ValueError(f"there is no command {do}")

    def _listen(self, port: int, scheme: str, certificate: str | None) -> int:
        server = GstRtspServer.RTSPServer()
        gate = Gate(scheme, certificate)
        self._gates.append(gate)
        server.set_address("127.0.0.1")
        server.set_service(str(port))
        server.set_backlog(_WAITING_CLIENTS)
        server.set_mount_points(self._mounts)
        server.set_auth(gate.auth)
        server.connect("client-connected", self._connected)
        if not server.attach(None):
            raise SystemExit(f"the port {port} is taken")
        GLib.timeout_add_seconds(_CLEAN_EVERY_S, self._clean, server.get_session_pool())
        return int(server.get_bound_port())

    def _clean(self, sessions: Any) -> bool:
        sessions.cleanup()
        return True  # again

    def _load(self, path: str) -> SharedFootage:
        if path not in self._footage:
            self._footage[path] = SharedFootage(Path(path))
        return self._footage[path]

    def _add(
        self,
        name: str,
        footage: str,
        mode: str,
        began: float | None,
        user: str | None,
        password: str | None,
        reports: str,
        loss: float,
    ) -> None:
        mount = Mount(
            name,
            self._load(footage),
            mode,
            began,
            lambda time_s: self.say({"began": [name, time_s]}),
            partial(self._over, name),
        )
        made = factory(mount, reports, loss)
        made.set_permissions(permissions(user))
        for gate in self._gates:
            if user is not None:
                gate.admit(user, password or "")
        self._pacer.mounts[name] = mount
        self._mounts.add_factory(f"/{name}", made)

    def _over(self, name: str) -> None:
        self._mounts.remove_factory(f"/{name}")
        GLib.timeout_add(_FAREWELL_MS, self._kick, name)

    def _connected(self, _server: Any, client: Any) -> None:
        self._watching[client] = set()
        client.connect("closed", self._closed)
        client.connect("play-request", self._play_requested)

    def _closed(self, client: Any) -> None:
        self._watching.pop(client, None)

    def _play_requested(self, client: Any, context: Any) -> None:
        self._watching.setdefault(client, set()).add(context.uri.abspath)

    def _kick(self, name: str) -> bool:
        for client, paths in list(self._watching.items()):
            if f"/{name}" in paths:
                client.close()
        return False  # not again


def main() -> None:
    """Serves until the standard input ends."""
    Gst.init(None)
    server = Server(json.loads(sys.argv[1]))
    loop = GLib.MainLoop()

    def listen() -> None:
        for line in sys.stdin:
            try:
                server.obey(json.loads(line))
                server.say({"done": True})
            except Exception as error:
                server.say({"error": f"{type(error).__name__}: {error}"})
        loop.quit()

    threading.Thread(target=listen, daemon=True).start()
    loop.run()


if __name__ == "__main__":
    main()
