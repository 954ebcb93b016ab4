"""Reference data: checked, replaced whole or not at all, and never the file that ships."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

import reference
from reference.build import build
from workbench.cli.reference import command
from workbench.config import Settings, load_settings
from workbench.errors import UsageError, WorkbenchError
from workbench.ingest.reference import (
    REQUIRED,
    apply_file,
    ensure_symbols,
    own_file,
    read_symbols,
    set_values,
    symbols_in_force,
)

SHIPPED = Path(reference.__file__).parent / "symbols.csv"
SOURCE = Path(__file__).parents[3] / "shared" / "data" / "sp500-constituents.csv"
HEADER = ",".join(REQUIRED) + "\n"
ROW = "ACME,Acme Inc.,Industrials,Anvils,MID,NYSE\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path)


def test_what_ships_is_complete_and_marked_where_it_is_illustrative() -> None:
    columns, rows = read_symbols(SHIPPED)
    assert columns[: len(REQUIRED)] == list(REQUIRED)
    assert len(rows) == 511
    sectors = Counter(row["sector"] for row in rows)
    assert len(sectors) == 12
    assert sectors["Crypto"] == 8
    assert all("market_cap_tier exchange" in row["illustrative"] for row in rows)
    by_symbol = {row["symbol"]: row for row in rows}
    assert by_symbol["MMM"]["company_name"] == "3M"
    assert by_symbol["AAPL"]["industry"] == "Technology Hardware, Storage & Peripherals"


@pytest.mark.skipif(not SOURCE.exists(), reason=f"no constituents at {SOURCE}")
def test_what_ships_is_what_the_script_builds() -> None:
    _, rows = read_symbols(SHIPPED)
    assert build(SOURCE) == [tuple(row.values()) for row in rows]


def test_the_shipped_file_is_in_force_until_something_is_applied(settings: Settings) -> None:
    assert symbols_in_force(settings) == SHIPPED
    copy = ensure_symbols(settings)
    assert copy == own_file(settings) == symbols_in_force(settings)
    assert read_symbols(copy) == read_symbols(SHIPPED)


def test_apply_puts_a_checked_file_in_force(settings: Settings, tmp_path: Path) -> None:
    before = SHIPPED.read_bytes()
    file = tmp_path / "new.csv"
    file.write_text(HEADER + ROW)
    assert apply_file(settings, file) == 1
    assert read_symbols(symbols_in_force(settings))[1][0]["symbol"] == "ACME"
    assert SHIPPED.read_bytes() == before
    assert [path.name for path in own_file(settings).parent.iterdir()] == ["symbols.csv"]


def test_a_configured_file_is_the_projects_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    settings = load_settings(tmp_path, reference={"symbols": file})
    with pytest.raises(UsageError, match="no file"):
        ensure_symbols(settings)
    file.write_text(HEADER + ROW)
    assert ensure_symbols(settings) == symbols_in_force(settings) == file
    set_values(settings, "ACME", {"sector": "Materials"})
    assert "Materials" in file.read_text()


def test_the_shipped_file_cannot_be_made_the_projects_own(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, reference={"symbols": SHIPPED})
    with pytest.raises(UsageError, match="not changed"):
        set_values(settings, "AAPL", {"exchange": "NYSE"})


def test_the_commands_show_and_change_it(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.config.load_settings", lambda: settings)

    def call(*arguments: str) -> str:
        return CliRunner().invoke(command, arguments, standalone_mode=False).output

    [row] = json.loads(call("show", "AAPL", "--json"))
    assert row["company_name"] == "Apple Inc."
    assert "LARGE" in call("set", "AAPL", "market_cap_tier=LARGE")
    (tmp_path / "new.csv").write_text(HEADER + ROW)
    assert call("apply", str(tmp_path / "new.csv")).startswith("1 symbols in force")
    assert len(json.loads(call("show", "--json"))) == 1
    wrong = CliRunner().invoke(command, ["set", "ACME", "sector"], standalone_mode=False)
    assert "COLUMN=VALUE" in str(wrong.exception)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no column"),
        ("symbol,company_name\nA,B\n", "no column sector"),
        (HEADER, "no symbols"),
        (HEADER + ROW + ROW, "ACME occurs twice"),
        (HEADER + ",Acme Inc.,Industrials,Anvils,MID,NYSE\n", "line 2: no symbol"),
        (HEADER + "AC ME,Acme Inc.,Industrials,Anvils,MID,NYSE\n", "holds blanks"),
        (HEADER + "ACME,Acme, Inc.,Industrials,Anvils,MID,NYSE\n", "line 2: 7 cells"),
        (HEADER + "ACME,,Industrials,Anvils,MID,NYSE\n", "ACME has no company_name"),
        (HEADER + "ACME,Acme Inc.,Industrials,Anvils,HUGE,NYSE\n", "'HUGE'"),
    ],
)
def test_a_wrong_file_changes_nothing(
    settings: Settings, tmp_path: Path, text: str, says: str
) -> None:
    file = tmp_path / "new.csv"
    file.write_text(text)
    with pytest.raises(WorkbenchError, match=says):
        apply_file(settings, file)
    assert symbols_in_force(settings) == SHIPPED


def test_set_changes_one_symbol_or_adds_it(settings: Settings) -> None:
    assert set_values(settings, "AAPL", {"market_cap_tier": "LARGE"})["exchange"] == "NASDAQ"
    added = set_values(settings, "NEWUSDT", {"sector": "Crypto"})
    assert added["company_name"] == "UNKNOWN"
    rows = {row["symbol"]: row for row in read_symbols(symbols_in_force(settings))[1]}
    assert rows["AAPL"]["market_cap_tier"] == "LARGE"
    assert rows["NEWUSDT"]["sector"] == "Crypto"
    assert len(rows) == 512


@pytest.mark.parametrize("values", [{"tier": "MID"}, {"symbol": "B"}])
def test_set_knows_its_columns(settings: Settings, values: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="no column"):
        set_values(settings, "AAPL", values)


def test_a_write_that_fails_leaves_the_old_file(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ensure_symbols(settings).read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)

    with pytest.raises(WorkbenchError, match="No space left"):
        set_values(settings, "AAPL", {"exchange": "NYSE"})
    assert ensure_symbols(settings).read_bytes() == before
    assert [path.name for path in own_file(settings).parent.iterdir()] == ["symbols.csv"]
