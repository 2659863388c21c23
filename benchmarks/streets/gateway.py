"""The gateway of the morning: a web server that is down for a while, and loses answers.

What it sends is in a file, one JSON object a line. With ``heeds_keys`` it sends a message once,
however often it gets the same key; without, as often as it is asked to.
"""

from __future__ import annotations

import json
import os
import socket
import time
from http.server import ThreadingHTTPServer
from itertools import count
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from threading import Lock

from benchmarks.harness.web_server import KilledClients
from benchmarks.streets.cars import DOWN
from benchmarks.streets.clock import Clock

#: One in so many messages is taken and its answer lost; one in so many is lost before.
_LOST_AFTER, _LOST_BEFORE = 9, 13

#: Time until the gateway answers.
_TAKES_S = 0.02


def serve(
    sent: Path, asked: Path, clock: Clock, ready: SimpleQueue[int], *, heeds_keys: bool
) -> None:
    """Serve until the process ends.

    Args:
        sent: File of the messages that were sent.
        asked: File of the keys of all requests that were taken.
        clock: The time of the morning.
        ready: Gets the port.
        heeds_keys: Whether a key is sent once.
    """
    lock, known, numbers = Lock(), set[str](), count(1)

    class Handler(KilledClients):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if DOWN[0] <= clock.now() < DOWN[1]:
                self._answer(503, {"error": "down"})
                return
            with lock:
                number, key = next(numbers), message["key"]
                if number % _LOST_BEFORE == 0:
                    self._hang_up()
                    return
                append(asked, {"key": key})
                if not heeds_keys or key not in known:
                    append(sent, message)
                known.add(key)
            time.sleep(_TAKES_S)
            if number % _LOST_AFTER == 0:
                self._hang_up()
            else:
                self._answer(201, {"id": key})

        def do_GET(self) -> None:
            self._answer(200, {"status": "delivered"})

        def _answer(self, status: int, body: dict[str, str]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _hang_up(self) -> None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ready.put(server.server_address[1])
    server.serve_forever()


def append(path: Path, row: dict[str, str]) -> None:
    """Append a line in one write, which a kill leaves whole or out."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(handle, (json.dumps(row, ensure_ascii=False) + "\n").encode())
    finally:
        os.close(handle)
