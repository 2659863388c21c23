"""The clock of a device is measured finer than the seconds that the device tells."""

from __future__ import annotations

import importlib.util
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import cli
from cv_engine.commands.exit_codes import run
from cv_engine.discovery import DiscoveryError, device_clock
from cv_engine.evidence.clock_record import ClockRecord
from tests.discovery.onvif_device import OnvifDevice

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("onvif") is None, reason="the extra onvif is not installed"
)


@pytest.mark.parametrize("ahead_s", [0.0, 0.4, -3.7, 86400.25])
def test_the_error_lies_within_the_bounds_that_are_given(ahead_s: float) -> None:
    with OnvifDevice(ahead=timedelta(seconds=ahead_s)) as camera:
        found = device_clock(camera.service, time.time)
    assert abs(found.error_s - ahead_s) <= found.within_s + 0.01
    assert camera.asked and set(camera.asked) == {"GetSystemDateAndTime"}


def test_a_clock_that_is_set_while_it_is_measured_is_reported() -> None:
    with OnvifDevice() as camera:
        answers = iter(range(100))

        def wall() -> float:
            return time.time() + 60 * (next(answers) // 8)

        with pytest.raises(DiscoveryError, match="was set meanwhile"):
            device_clock(camera.service, wall)


@pytest.mark.parametrize("says", [b"", b"<html>hello</html>"])
def test_a_device_that_answers_nonsense_is_reported(says: bytes) -> None:
    with (
        OnvifDevice(says=says) as camera,
        pytest.raises(DiscoveryError, match=r"127\.0\.0\.1: does not answer"),
    ):
        device_clock(camera.service, time.time)


def test_the_command_keeps_what_it_measures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        f"data: {tmp_path}/data\n"
        "cameras:\n  - {name: west, url: 'rtsp://127.0.0.1/stream'}\n  - {name: recorded}\n"
    )
    with OnvifDevice(ahead=timedelta(seconds=5)) as camera:
        port = camera.service.split(":")[2].split("/")[0]
        assert run(cli.app, ["cameras", "clock", "--config", str(config), "--port", port]) == 0
    assert "west" in capsys.readouterr().out
    record = ClockRecord(tmp_path / "data/clocks")
    history = record.history("west", datetime.now(UTC))
    assert history is not None and history.latest.method == "ONVIF"
    assert abs(history.latest.error_s - 5) < 1
    # The device has gone: said, and what was kept stays.
    assert run(cli.app, ["cameras", "clock", "--config", str(config), "--port", port]) == 1
    assert "cannot be reached" in capsys.readouterr().out
