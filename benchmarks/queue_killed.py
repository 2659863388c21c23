"""Kills the processes of a queue at random moments, and looks for what was lost or done twice.

Four processes work on one queue: one files findings with their evidence, one is an officer who
takes cases through their steps and adds photos, one sends the events to a web server, one writes
backups. One after the other is killed (SIGKILL) at a random moment and started again. In the end
every finding must be in one case, with its evidence; whatever the queue has acknowledged must be
there; every event must have reached the server at least once, in order within its case; the audit
must find nothing; and every finished backup must be whole.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from itertools import islice
from multiprocessing.context import ForkProcess
from multiprocessing.queues import SimpleQueue
from pathlib import Path

from benchmarks.city.roles import ROLES, Site, file_one, findings
from benchmarks.harness.web_server import KilledClients
from cv_engine.cases import Queue, open_queue
from cv_engine.cases.audit import audit
from cv_engine.cases.backup import restore
from cv_engine.cases.database.store import Store
from cv_engine.evidence.attaching import remove_unrecorded
from cv_engine.evidence.filing import CaseFiler
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.staging import sweep
from cv_engine.evidence.verify import verify

_LIFE_S = (0.02, 0.6)  # until one of the processes is killed
_DRAIN_S = 120.0  # longer than the lease of a relay that was killed
# Processes are forked from one that has everything imported: a new interpreter would spend most of
# its life on imports, and be killed there.
_FORK = multiprocessing.get_context("fork")


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks queue-killed", description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", help="a PostgreSQL URL of an empty database; SQLite if left out")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="killed-") as name:
        folder = Path(name)
        with _receiver(folder / "received") as url:
            site = Site(options.store or str(folder / "queue.db"), folder, url)
            open_queue(site.queue).close()
            counts = _kill(site, options.kills, random.Random(options.seed))
            problems, sizes = _look(site, folder / "received")
    for text in problems:
        print(text)
    print(json.dumps({**counts, **sizes, "problems": len(problems)}))
    return 1 if problems else 0


def _kill(site: Site, kills: int, chance: random.Random) -> dict[str, int]:
    """Keep every role running, and kill one after the other; returns the kills of each."""
    counts = dict.fromkeys(ROLES, 0)
    running = {role: _start(site, role, number) for number, role in enumerate(ROLES)}
    try:
        for number in range(kills):
            time.sleep(chance.uniform(*_LIFE_S))
            role = chance.choice(list(ROLES))
            process = running[role]
            if process.exitcode is not None:
                raise RuntimeError(f"{role} ended by itself with {process.exitcode}")
            os.kill(process.pid or 0, signal.SIGKILL)
            process.join()
            counts[role] += 1
            running[role] = _start(site, role, 1000 + number)
            if sys.stderr.isatty():
                print(f"\r{number + 1} of {kills} kills", end="", file=sys.stderr)
    finally:
        for process in running.values():
            process.kill()
            process.join()
    return {f"killed.{role}": count for role, count in counts.items()}


def _start(site: Site, role: str, seed: int) -> ForkProcess:
    process = _FORK.Process(target=ROLES[role], args=(site, seed), daemon=True)
    process.start()
    return process


@contextmanager
def _receiver(received: Path) -> Iterator[str]:
    """A web server that writes the key of every event it acknowledges to a file; yields its URL."""
    ready: SimpleQueue[int] = _FORK.SimpleQueue()
    process = _FORK.Process(target=_serve, args=(received, ready), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ready.get()}/events"
    finally:
        process.kill()
        process.join()


def _serve(received: Path, ready: SimpleQueue[int]) -> None:
    class Handler(KilledClients):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            with received.open("a") as file:
                file.write(self.headers["webhook-id"] + "\n")
            self.send_response(204)
            self.end_headers()

    received.touch()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ready.put(server.server_address[1])
    server.serve_forever()


def _look(site: Site, received: Path) -> tuple[list[str], dict[str, int]]:
    """What was lost, done twice or left over, once what was interrupted has been done again.

    Returns:
        The problems, and how much was looked at.
    """
    sizes: dict[str, int] = {}
    sweep(site.evidence)
    with open_queue(site.queue) as queue:
        filer = CaseFiler(
            queue, SigningKey.load_or_create(site.folder / "signing-key.pem"), site.evidence
        )
        acknowledged = site.acknowledged("filing").read_text().split("\n")[:-1]
        known = dict(line.split() for line in acknowledged)
        # The next run files once more what the last one was killed at.
        again = {each.key: file_one(filer, each) for each in islice(findings(), len(known) + 1)}
        remove_unrecorded(site.evidence, queue)
        _drain(site, queue)
        problems = [
            f"finding {key} was acknowledged as case {case}, and is in {again.get(key)}"
            for key, case in known.items()
            if again.get(key) != int(case)
        ]
        problems += _lost_steps(sizes, site, queue)
        problems += _evidence(sizes, site, queue)
        problems += _events(sizes, queue, received.read_text().split())
        with queue.store.snapshot() as connection:
            problems += [str(each) for each in audit(connection) if not each.remark]
        sizes["cases"] = queue.count()
        if sizes["cases"] != len(set(again.values())) or len(set(again.values())) != len(again):
            problems.append(f"{queue.count()} cases of {len(again)} findings")
    return problems + _backups(sizes, site), sizes


def _drain(site: Site, queue: Queue) -> None:
    """Send what waits, once the lease of a killed relay has passed."""
    relay, deadline = site.relay(queue), time.monotonic() + _DRAIN_S
    idle_since = time.monotonic()
    while time.monotonic() < deadline and time.monotonic() - idle_since < _DRAIN_S / 2:
        if relay.run_once():
            idle_since = time.monotonic()
        elif not _waiting(queue):
            return
        else:
            time.sleep(0.2)


def _waiting(queue: Queue) -> int:
    from cv_engine.cases.outbox.overview import Overview

    return sum(each.waiting for each in Overview(queue.store).outlets())


def _lost_steps(sizes: dict[str, int], site: Site, queue: Queue) -> list[str]:
    """Acknowledged steps that are not in the history."""
    problems = []
    lines = site.acknowledged("officers").read_text().split("\n")[:-1]
    sizes["steps"] = len(lines)
    for line in lines:
        number, version, state = line.split()
        entries = {entry.seq: entry for entry in queue.history(int(number))}
        entry = entries.get(int(version))
        if entry is None or entry.to_state != state:
            problems.append(
                f"case {number}: step {version} to {state} was acknowledged and is lost"
            )
    return problems


def _evidence(sizes: dict[str, int], site: Site, queue: Queue) -> list[str]:
    """Cases without evidence, evidence that is not whole, and evidence of no case."""
    problems, named = [], set()
    for case in queue.each():
        names = queue.evidence(case.id)
        named |= set(names)
        problems += [] if names else [f"case {case.id} has no evidence"]
        for name in names:
            problems += [f"{name}: {text}" for text in verify(site.evidence / name)]
    there = {path.name for path in site.evidence.iterdir() if not path.name.startswith(".")}
    sizes["packages"] = len(named)
    return problems + [f"{name} is of no case" for name in sorted(there - named)]


def _events(sizes: dict[str, int], queue: Queue, received: list[str]) -> list[str]:
    """Events that never arrived, or arrived for the first time after a later one of their case."""
    first: dict[int, list[int]] = defaultdict(list)
    for key in dict.fromkeys(received):
        number, _, seq = key.rpartition("-")
        first[int(number)].append(int(seq))
    sizes["events"], problems = len(set(received)), []
    sizes["events_sent_again"] = len(received) - len(set(received))
    for case in queue.each():
        expected = [entry.seq for entry in queue.history(case.id)]
        if first[case.id] != expected:
            problems.append(f"case {case.id}: events {first[case.id]} for entries {expected}")
    return problems


def _backups(sizes: dict[str, int], site: Site) -> list[str]:
    """Backups that cannot be restored."""
    problems = []
    names = site.acknowledged("backup")
    lines = names.read_text().split() if names.exists() else []
    sizes["backups"] = len(lines)
    for number, name in enumerate(lines):
        store = Store(site.folder / f"restored-{number}.db", unfinished=True)
        try:
            restore(site.backups / name, store, lambda what, done, total: None)
            with store.snapshot() as connection:
                problems += [f"{name}: {each}" for each in audit(connection) if not each.remark]
        finally:
            store.close()
    return problems
