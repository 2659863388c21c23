"""A relay as a process of its own: posts the events of a queue until it is stopped."""

from __future__ import annotations

import base64
import sys
from datetime import UTC, datetime

from cv_engine.cases import open_queue
from cv_engine.cases.outbox.relay import Relay
from cv_engine.cases.outbox.webhook import Webhook, read_secrets

SECRET = "whsec_" + base64.b64encode(b"a secret of the tests, 32 bytes!").decode()


def main(where: str, url: str) -> None:
    def clock() -> datetime:
        return datetime.now(UTC)

    with open_queue(where) as queue:
        relay = Relay(queue.store, Webhook("city", url, read_secrets(SECRET), clock), clock)
        relay.register()
        print("ready", flush=True)
        while True:
            relay.run_once()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
