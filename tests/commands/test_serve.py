"""`cv-engine serve`, run as an operator runs it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_answers_until_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    command = [
        sys.executable,
        str(ROOT / "cli.py"),
        "serve",
        "--port",
        "0",
        "--data",
        str(tmp_path),
    ]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if address := re.search(r"serving on (http://\S+);", line):
                break
        else:
            pytest.fail("the server did not start")
        assert httpx.get(f"{address[1]}/openapi.json").status_code == 200
        process.send_signal(number)
        rest = process.stderr.read()
        assert process.wait(60) == 0
    assert "Traceback" not in rest


def test_without_the_extra_the_message_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['fastapi'] = None; sys.argv = ['cv-engine', 'serve']\n"
        "import cli; cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "extra `serve`" in done.stderr
