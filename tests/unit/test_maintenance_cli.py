"""The commands of maintenance, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.unit.conftest import Land
from tests.unit.lake_rows import trade
from workbench.cli import main
from workbench.config import Settings
from workbench.contracts import Table
from workbench.lake.catalog import load_catalog


@pytest.fixture
def tables(
    lake: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Any:
    """Run `workbench tables ...` in the lake's project; returns exit code, stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setenv("WORKBENCH_PROJECT", str(lake.project))
        with pytest.raises(SystemExit) as ended:
            main(["tables", *arguments])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_a_day_of_commits_by_the_commands(tables: Any, land: Land, lake: Settings) -> None:
    for i in range(4):
        land(trade(i))
    code, out, _ = tables("compact", "market.trades", "--json")
    (row,) = json.loads(out)
    assert code == 0
    assert (row["outcome"], row["files_before"], row["files_after"]) == ("compacted", 4, 1)
    code, out, _ = tables("expire", "--older-than", "0s", "--json")
    rows = {row["table"]: row for row in json.loads(out)}
    assert (code, rows["market.trades"]["expired"]) == (0, 4)
    assert tables("orphans", "--json")[:2] == (0, "[]\n")


def test_one_pass_says_what_it_did_and_the_next_nothing(tables: Any, land: Land) -> None:
    for i in range(3):
        land(trade(i))
    assert tables("maintain", "--older-than", "0s") == (
        0,
        "market.trades: 3 files -> 1, 3 rows rewritten\n"
        "market.trades: 3 snapshots expired, 9 files deleted\n",
        "",
    )
    assert tables("maintain", "--older-than", "0s") == (0, "", "")


def test_it_goes_on_past_an_error_until_it_is_stopped(
    tables: Any, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.cli import maintenance
    from workbench.errors import LakeError

    full = OSError(28, "No space left on device")
    passes = iter([LakeError("busy"), full, None, KeyboardInterrupt()])
    seen = []

    def one(*_: object) -> None:
        error = next(passes)
        seen.append(error)
        if error:
            raise error

    monkeypatch.setattr(maintenance, "_pass", one)
    code, out, err = tables("maintain", "--every", "0s")
    assert (code, out) == (130, "")
    assert [line for line in err.splitlines() if line] == [
        "error: busy",
        "error: OSError: [Errno 28] No space left on device",
        "stopped",
    ]
    assert len(seen) == 4


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["compact", "market.trade"], "did you mean 'market.trades'?"),
        (["expire", "--older-than", "1 day"], "write 90s, 10m, 24h or 3d"),
        (["orphans", "--older-than", "2h"], "--force"),
    ],
)
def test_mistakes_are_one_line_with_a_fix(tables: Any, arguments: list[str], said: str) -> None:
    code, out, err = tables(*arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_a_damaged_table_ends_the_command_after_the_others(
    tables: Any, land: Land, lake: Settings
) -> None:
    land(trade(1))
    file = Path(
        load_catalog(lake).load_table("market.trades").metadata_location.removeprefix("file://")
    )
    file.write_bytes(file.read_bytes()[:50])
    code, out, err = tables("compact", "--json")
    outcomes = {row["table"]: row["outcome"] for row in json.loads(out)}
    assert outcomes["market.trades"] == "failed" and outcomes["ops.late_rows"] == "compact"
    assert code == 1 and file.name in err and err.count("\n") == 1


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), pa.ArrowInvalid("torn"), MemoryError()]
)
def test_what_fails_at_one_table_keeps_no_other_from_it(
    tables: Any, land: Land, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    from workbench.lake.maintenance import compact

    land(trade(1))
    land(trade(2))
    entered = compact._compact

    def failing(contract: Table, *rest: Any) -> Any:
        if contract.name == "market.trades":
            raise error
        return entered(contract, *rest)

    monkeypatch.setattr(compact, "_compact", failing)
    code, out, err = tables("maintain", "--older-than", "0s")
    # Expiry has run all the same.
    assert (code, out) == (1, "market.trades: 1 snapshots expired, 1 files deleted\n")
    assert f"table market.trades: {type(error).__name__}" in err and err.count("\n") == 1
