"""Generated market days: believable, repeatable, and with a truth that holds."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.cli.generate import command
from workbench.config import Settings
from workbench.contracts.reader import Refused, Valid, read_record, status_problem
from workbench.contracts.records import MARKET_DATA_TICK, ORDER_BOOK, TRADE_EVENT
from workbench.errors import UsageError
from workbench.ingest.files import iter_batches
from workbench.ingest.generate import Defects, MarketDay, choose, generate_day, load_instruments
from workbench.ingest.generate.prices import session
from workbench.ingest.generate.write import days_from, write_day

INSTRUMENTS = load_instruments(Settings().symbols_file)
MIXED = choose(INSTRUMENTS, ["AAPL", "BRK.B", "BTCUSDT", "DOGEUSDT", "XOM"])
TUESDAY = date(2024, 1, 2)
ALL_KINDS = Defects(malformed=14, duplicates=5, late=6, future=3, unroutable=4)

days = st.dates(date(2001, 1, 1), date(2030, 12, 31)).filter(lambda day: day.weekday() < 5)
seeds = st.integers(0, 2**63)


def digest(day: MarketDay) -> str:
    return hashlib.sha256(b"\n".join(day.values().to_pylist())).hexdigest()


def verdicts(day: MarketDay) -> tuple[list[dict[str, Any]], Counter[tuple[str, str]]]:
    """What the rules of the contract make of each line: valid records, and refusals by reason."""
    arrival = int(day.table["timestamp_ms"].to_numpy().max())
    valid, refused = [], Counter[tuple[str, str]]()
    for value in day.values().to_pylist():
        verdict = read_record(TRADE_EVENT, value, arrival)
        if isinstance(verdict, Valid):
            problem: Valid | Refused = status_problem(verdict.values["status"]) or verdict
        else:
            problem = verdict
        if isinstance(problem, Refused):
            refused[problem.topic, problem.error_type] += 1
        else:
            valid.append(problem.values)
    return valid, refused


@settings(max_examples=15, deadline=None)
@given(seeds, days, st.integers(1, 3_000))
def test_same_seed_same_bytes_and_exactly_the_events_asked_for(
    seed: int, day: date, events: int
) -> None:
    made = generate_day(day, seed, MIXED, events)
    assert made.table.num_rows == events
    assert digest(made) == digest(generate_day(day, seed, MIXED, events))


def test_a_day_is_the_same_whatever_was_made_before() -> None:
    later = generate_day(date(2024, 3, 5), 7, MIXED, 500)
    generate_day(date(2019, 3, 5), 7, MIXED, 500)
    assert digest(generate_day(date(2024, 3, 5), 7, MIXED, 500)) == digest(later)
    assert digest(generate_day(date(2024, 3, 5), 8, MIXED, 500)) != digest(later)


@settings(max_examples=20, deadline=None)
@given(seeds, days)
def test_an_order_lives_from_new_to_its_end(seed: int, day: date) -> None:
    orders: dict[str, list[dict[str, Any]]] = {}
    events = generate_day(day, seed, MIXED, 1_500).table.to_pylist()
    for event in events:
        orders.setdefault(event["order_id"], []).append(event)
    assert len({event["trade_id"] for event in events}) == len(events)
    for life in orders.values():
        first, *rest = life
        assert first["status"] == "NEW"
        times = [event["timestamp_ms"] for event in life]
        assert times == sorted(times)
        same = ("symbol", "side", "account_id", "trader_id", "exchange")
        assert len({tuple(event[name] for name in same) for event in life}) == 1
        statuses = [event["status"] for event in rest]
        assert all(status == "PARTIALLY_FILLED" for status in statuses[:-1])
        filled = sum(e["quantity"] for e in rest if e["status"].endswith("FILLED"))
        assert filled <= first["quantity"]
        if statuses and statuses[-1] == "FILLED":
            assert filled == first["quantity"]
        elif statuses:
            assert statuses[-1] in ("CANCELLED", "REJECTED")
            assert filled + rest[-1]["quantity"] == first["quantity"]


@settings(max_examples=10, deadline=None)
@given(seeds, days)
def test_prices_and_quantities_move_in_ticks_and_steps_within_the_session(
    seed: int, day: date
) -> None:
    made = generate_day(day, seed, MIXED, 800)
    by_symbol = {each.symbol: each for each in MIXED}
    times = [event["timestamp_ms"] for event in made.table.to_pylist()]
    assert times == sorted(times)
    for event in made.table.to_pylist():
        instrument = by_symbol[event["symbol"]]
        assert event["price"] > 0
        assert event["quantity"] > 0
        assert event["price"] * 10**8 % instrument.tick == 0
        assert event["quantity"] * 10**8 % instrument.step == 0
        start, end = session(instrument, day) or (0, 0)
        assert start <= event["timestamp_ms"] < end


def test_the_truth_is_what_is_in_the_file() -> None:
    made = generate_day(TUESDAY, 7, MIXED, 4_000, ALL_KINDS)
    truth = made.truth["trades"]
    valid, refused = verdicts(made)
    assert truth["lines"] == len(made.values()) == 4_000 + 14 + 5 + 6 + 3 + 4
    assert truth["valid"] == len(valid) == 4_000 + 5 + 6
    assert truth["distinct"] == len({record["trade_id"] for record in valid})
    assert truth["by_status"] == Counter(record["status"] for record in valid)
    fills = [record for record in valid if record["status"].endswith("FILLED")]
    assert truth["executions"] == len(fills)
    assert Decimal(truth["volume"]) == sum(record["quantity"] for record in fills)
    assert Decimal(truth["notional"]) == sum(r["quantity"] * r["price"] for r in fills)
    for symbol, sums in truth["by_symbol"].items():
        of_symbol = [record for record in fills if record["symbol"] == symbol]
        assert sums["executions"] == len(of_symbol)
        assert Decimal(sums["volume"]) == sum(record["quantity"] for record in of_symbol)
    told = {
        (topic, reason): count
        for topic, reasons in made.truth["dead_letters"].items()
        for reason, count in reasons.items()
    }
    assert told == refused
    assert {"invalid-json", "not-an-object", "missing-field", "wrong-type", "not-positive"} <= {
        reason for _, reason in told
    }
    assert truth["lines"] == truth["valid"] + sum(told.values())


def test_late_records_are_minutes_behind_all_around_them_and_the_rest_is_not() -> None:
    made = generate_day(TUESDAY, 7, MIXED, 20_000, Defects(late=20, duplicates=50))
    late = set(made.truth["defects"]["late"]["trade_ids"])
    clock, behind = 0, {}
    for event in made.arrivals.to_pylist():
        clock = max(clock, event["timestamp_ms"])
        behind[event["trade_id"]] = clock - event["timestamp_ms"]
        if event["trade_id"] in late:
            assert event["status"] == "FILLED"
    assert len(late) == 20
    assert all(behind[trade_id] > 9 * 60_000 for trade_id in late)
    assert all(lag < 5_000 for trade_id, lag in behind.items() if trade_id not in late)


def test_defects_do_not_change_the_good_records() -> None:
    clean = generate_day(TUESDAY, 7, MIXED, 1_000)
    assert generate_day(TUESDAY, 7, MIXED, 1_000, ALL_KINDS).table.equals(clean.table)


def test_volume_is_u_shaped_and_symbols_move_together() -> None:
    stocks = [each for each in choose(INSTRUMENTS, 30) if not each.is_crypto]
    made = generate_day(TUESDAY, 1, stocks, 60_000)
    start, end = session(stocks[0], TUESDAY) or (0, 0)
    share = (made.table["timestamp_ms"].to_numpy() - start) / (end - start)
    first, noon, last = (((share >= low) & (share < low + 0.1)).mean() for low in (0.0, 0.5, 0.9))
    assert first > 1.7 * noon
    assert last > 1.5 * noon
    closes = []
    for number in range(1, 29):
        day = date(2023, 2, number)
        if day.weekday() < 5:
            frame = generate_day(day, 1, stocks, 3_000).table.to_pandas()
            closes.append(frame.groupby("symbol").price.last().astype(float))
    returns = np.diff(np.log(np.array(closes)), axis=0)
    correlations = np.corrcoef(returns.T)[np.triu_indices(len(stocks), 1)]
    assert 0.1 < correlations.mean() < 0.8
    assert 0.005 < returns.std() < 0.04


def test_stocks_trade_new_york_hours_in_summer_and_winter() -> None:
    stock = MIXED[0]
    opens = [session(stock, day) for day in (date(2024, 1, 2), date(2024, 7, 2))]
    assert [(times[0] // 60_000) % 1440 for times in opens if times] == [14 * 60 + 30, 13 * 60 + 30]
    assert session(stock, date(2024, 1, 6)) is None


def test_several_days_skip_the_weekend_unless_only_coins_trade() -> None:
    friday = date(2024, 1, 5)
    assert [day.day for day in days_from(friday, 3, MIXED)] == [5, 8, 9]
    coins = [each for each in MIXED if each.is_crypto]
    assert [day.day for day in days_from(friday, 3, coins)] == [5, 6, 7]
    assert generate_day(date(2024, 1, 6), 1, MIXED, 100).table.num_rows == 100
    with pytest.raises(UsageError, match="Saturday"):
        generate_day(date(2024, 1, 6), 1, MIXED[:1], 100)


def test_quotes_and_books_keep_the_contract(tmp_path: Path) -> None:
    made = generate_day(TUESDAY, 3, MIXED, 500, quotes=400, books=100)
    write_day(made, tmp_path)
    for form, record, count in (
        ("marketdata", MARKET_DATA_TICK, 400),
        ("orderbook", ORDER_BOOK, 100),
    ):
        rows = [
            row
            for batch in iter_batches(tmp_path / f"{form}-2024-01-02.jsonl", form)
            for row in batch.to_pylist()
        ]
        assert len(rows) == count
        for row in rows:
            verdict = read_record(record, row["value"], 2**62)
            assert isinstance(verdict, Valid)
            values = verdict.values
            assert row["key"] == values["symbol"].encode()
            if form == "marketdata":
                assert values["bid_price"] < values["ask_price"]
                assert values["price"] * 2 == values["bid_price"] + values["ask_price"]
            else:
                bids = [level["price"] for level in values["bids"]]
                asks = [level["price"] for level in values["asks"]]
                assert bids == sorted(set(bids), reverse=True)
                assert asks == sorted(set(asks))
                assert 0 < bids[0] < asks[0]


def test_both_forms_send_the_same_bytes(tmp_path: Path) -> None:
    made = generate_day(TUESDAY, 7, MIXED, 1_000, Defects(late=2, duplicates=3, unroutable=2))
    files = [
        write_day(made, tmp_path / "a", "jsonl")[0],
        write_day(made, tmp_path / "b", "jsonl", gzip=True)[0],
        write_day(made, tmp_path / "c", "parquet")[0],
    ]
    sent = [
        [row for batch in iter_batches(file, "trades") for row in batch.to_pylist()]
        for file in files
    ]
    assert sent[0] == sent[1] == sent[2]
    again = write_day(made, tmp_path / "d", "jsonl", gzip=True)[0]
    assert again.read_bytes() == files[1].read_bytes()
    truth = json.loads((tmp_path / "a" / "truth-2024-01-02.json").read_text())
    assert truth == made.truth
    assert pq.read_schema(files[2]).field("price").type == made.table.schema.field("price").type


def test_malformed_records_have_no_place_in_parquet(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="malformed"):
        write_day(generate_day(TUESDAY, 7, MIXED, 100, ALL_KINDS), tmp_path, "parquet")


def test_choosing_takes_every_sector_in_turn() -> None:
    sectors = {each.sector for each in INSTRUMENTS}
    assert {each.sector for each in choose(INSTRUMENTS, len(sectors))} == sectors
    with pytest.raises(UsageError, match="no symbol 'AAPLE'"):
        choose(INSTRUMENTS, ["AAPLE"])
    with pytest.raises(UsageError, match="symbols asked for"):
        choose(INSTRUMENTS, 10_000)


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"events": 0}, {"quotes": -1}])
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    arguments: dict[str, Any] = {"seed": 1, "events": 10} | wrong
    with pytest.raises(UsageError):
        generate_day(TUESDAY, symbols=MIXED, **arguments)
    with pytest.raises(UsageError, match="late"):
        Defects(late=-1)


def test_the_command_writes_days_and_lists_them(tmp_path: Path) -> None:
    arguments = ["--days", "2", "--start", "2024-01-05", "--symbols", "AAPL,XOM", "--events", "50"]
    arguments += ["--malformed", "2", "--quotes", "10", "--out", str(tmp_path), "--json"]
    result = CliRunner().invoke(command, arguments, standalone_mode=False)
    assert result.exception is None
    listed = {Path(row["file"]).name: row["records"] for row in json.loads(result.output)}
    assert listed == {
        "trades-2024-01-05.jsonl": 52,
        "marketdata-2024-01-05.jsonl": 10,
        "truth-2024-01-05.json": 1,
        "trades-2024-01-08.jsonl": 52,
        "marketdata-2024-01-08.jsonl": 10,
        "truth-2024-01-08.json": 1,
    }
    assert {path.name for path in tmp_path.iterdir()} == set(listed)
    refused = CliRunner().invoke(
        command, [*arguments, "--format", "parquet"], standalone_mode=False
    )
    assert isinstance(refused.exception, UsageError)
