"""Numbers that make no sense are refused in one line, before anything is started or written."""

from __future__ import annotations

import signal
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from workbench import demo as demo_module
from workbench.cli import main
from workbench.config import Settings
from workbench.demo import Scale, demo
from workbench.errors import UsageError
from workbench.ingest.generate import choose, load_instruments
from workbench.ingest.generate.write import days_from
from workbench.stack.lock import Signals, Stopped

HUGE = str(10**30)


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORKBENCH_PROJECT", str(tmp_path))

    class Refused:
        def __init__(self, *_: Any) -> None:
            raise AssertionError("the stack was asked for")

    monkeypatch.setattr(demo_module, "Stack", Refused)


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The last line that a refused command says."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 2
    said = capsys.readouterr().err.strip().splitlines()
    lines = [line for line in said if not line.startswith(("Usage:", "Try "))]
    assert len([line for line in lines if line.strip()]) == 1, said
    return lines[-1]


@pytest.mark.parametrize("value", ["0", "-1", HUGE])
@pytest.mark.parametrize("option", ["--history-days", "--symbols", "--live-events"])
def test_a_demo_refuses_a_number_out_of_range(
    capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    assert f"{value} is not in the range" in refusal(capsys, "demo", option, value)


def test_a_demo_counts_the_symbols_before_it_starts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "few.csv").write_text(
        "symbol,sector,market_cap_tier,exchange\nAAPL,Information Technology,MEGA,NASDAQ\n"
    )
    monkeypatch.setenv("WORKBENCH_REFERENCE__SYMBOLS", "few.csv")
    said = refusal(capsys, "demo", "--symbols", "2", "--fresh", "--yes")
    assert said == "error: 2 symbols asked for: the reference data has 1 to 1"


def test_a_history_shorter_than_its_part_for_flink_is_refused(settings: Settings) -> None:
    with pytest.raises(UsageError, match="1 days of history, 2 of them for Flink"):
        demo(settings, Scale(history_days=1), keep=False, say=print)


@pytest.mark.parametrize(
    "arguments",
    [
        *(
            [option, value]
            for option in ("--days", "--events", "--symbols")
            for value in ("0", "-1", HUGE)
        ),
        ["--events", "99999999999"],
        ["--late", "99999999999"],
        ["--start", "9999-12-31", "--days", "2"],
        ["--start", "0001-01-01"],
        ["--symbols", ","],
        ["--symbols", "²"],
    ],
)
def test_generate_refuses_what_makes_no_sense(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str]
) -> None:
    out = tmp_path / "out"
    said = refusal(capsys, "generate", "--out", str(out), *arguments)
    assert said.lower().startswith("error: ")
    assert not out.exists()


def test_the_last_day_of_the_calendar_is_a_day(settings: Settings) -> None:
    instruments = choose(load_instruments(settings.symbols_file), 1)
    assert list(days_from(date.max, 1, instruments)) == [date.max]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_unwinds_and_is_known(name: str) -> None:
    with pytest.raises(Stopped) as stopped, Signals().watched():
        signal.raise_signal(signal.Signals[name])
    assert stopped.value.number == signal.Signals[name]


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals().watched():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
