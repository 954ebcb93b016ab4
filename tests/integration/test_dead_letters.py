"""Records that were refused are mended, sent again, landed and marked; once, whatever is killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from confluent_kafka import TopicPartition

from tests.integration.support import (
    cancel_jobs,
    count,
    prepared,
    produce,
    rows,
    wait_until,
)
from tests.integration.support import trade_event as event
from workbench.broker.clients import make_admin, topic_name
from workbench.broker.offsets import count_messages, read_all
from workbench.config import Settings
from workbench.contracts import table_named
from workbench.contracts.reader import original_value
from workbench.dead_letters import Letter, Selection, export, find, make_plan, read_values, replay
from workbench.dead_letters.ids import parse_id
from workbench.dead_letters.letters import find_named
from workbench.dead_letters.original import Original, originals
from workbench.dead_letters.transaction import REPLAYED_FROM
from workbench.jobs import submit
from workbench.lake.schema import arrow_schema
from workbench.lake.session import open_session
from workbench.lake.write import append
from workbench.market import reconciliation
from workbench.reports.second_quality import sent
from workbench.stack import Stack

RAW = "raw.trades"


@pytest.fixture
def ready(stack: Stack, tmp_path: Path) -> Iterator[Settings]:
    settings = prepared(stack, tmp_path)
    yield settings
    cancel_jobs(settings)


def letters(settings: Settings, *ids: str) -> list[Letter]:
    with open_session(settings) as session:
        return find_named(session, ids) if ids else find(session)


def states(settings: Settings) -> dict[str, str]:
    return {each.id.record: each.state for each in letters(settings)}


def refuse(settings: Settings, *values: bytes | None) -> list[str]:
    """Send records with one key, and refuse them as landing would; return their ids."""
    before = {(m.partition, m.offset) for m in read_all(settings, RAW)}
    produce(settings, RAW, [(b"AAPL", value) for value in values])
    sent = [m for m in read_all(settings, RAW) if (m.partition, m.offset) not in before]
    found = [
        {
            "topic": "dlq.processing-errors",
            "original_value": original_value(m.value),
            "error_type": "not-positive",
            "error_message": "price: -1 is not above zero",
            "source_topic": RAW,
            "source_partition": m.partition,
            "source_offset": m.offset,
            "job": "landing",
            "failed_at": datetime.now(UTC),
        }
        for m in sent
    ]
    schema = arrow_schema(table_named("ops.dead_letters"))
    append(settings, "ops.dead_letters", pa.Table.from_pylist(found, schema=schema))
    return [f"{RAW}/{m.partition}/{m.offset}" for m in sent]


def values_in(settings: Settings) -> list[bytes | None]:
    return [m.value for m in read_all(settings, RAW)]


def test_refused_records_are_mended_sent_again_landed_and_marked(
    ready: Settings, tmp_path: Path
) -> None:
    submit(ready, ["landing"])
    bad = [event(1, price=-5), event(2, side="HOLD"), event(3)[:-3], event(4, price=0)]
    produce(ready, RAW, [(b"AAPL", value) for value in (*bad, event(0), None)])
    wait_until(
        lambda: count(ready, "market.trades") + count(ready, "ops.dead_letters") == 6,
        "one is landed, five are refused",
    )
    by_reason = {each.error_type: each for each in letters(ready)}
    assert sorted(by_reason) == ["invalid-json", "not-positive", "tombstone", "wrong-type"]

    # By hand: one field of one record.
    first = next(e for e in letters(ready) if e.original_value == bad[0].decode())
    done = replay(ready, make_plan(ready, [first], sets=["price=5.50"]))
    assert [(each.record, each.edited) for each in done.sent] == [(first.id.record, True)]

    # With a script: those that are left, in a file.
    file = tmp_path / "letters.jsonl"
    with open_session(ready) as session:
        assert export(ready, find(session, Selection(state="pending")), file) == (4, 1)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines:
        if line["error_type"] == "wrong-type":
            line["value"] = line["value"].replace("HOLD", "SELL")
        elif line["error_type"] == "invalid-json":
            line["value"] = event(3).decode()
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    mended = read_values(file)
    assert len(mended) == 3  # the tombstone has no value
    plan = make_plan(ready, letters(ready, *map(str, mended)), values=mended)
    done = replay(ready, plan)
    assert sorted(each.edited for each in done.sent) == [False, True, True]

    # Three are landed; the one that nobody mended is refused a second time.
    wait_until(
        lambda: count(ready, "market.trades") + count(ready, "ops.dead_letters") == 10,
        "what was sent again is landed or refused again",
    )
    landed = {
        (r["trade_id"], str(r["price"]), r["side"])
        for r in rows(ready, "market.trades").to_pylist()
    }
    assert landed == {
        ("T0", "100.00000000", "BUY"),
        ("T1", "5.50000000", "BUY"),
        ("T2", "100.00000000", "SELL"),
        ("T3", "100.00000000", "BUY"),
    }
    found = letters(ready)
    assert sorted(each.state for each in found) == ["pending"] * 2 + ["replayed"] * 4
    again = next(e for e in found if e.state == "pending" and e.error_type == "not-positive")
    origin = next(e for e in found if e.replayed_to == again.id.record)
    record = originals(ready, [again])[again.id.coordinates]
    assert dict(record.headers)[REPLAYED_FROM] == origin.id.record.encode()
    assert (record.key, record.value) == (b"AAPL", bad[3])

    # The ends of the two transactions take an offset each, and are no records that vanished.
    with open_session(ready) as session:
        for count_in_kafka in (None, count_messages(ready, RAW)):
            flow = reconciliation(session, count_in_kafka).arrow().to_pylist()[0]
            assert (flow["job"], flow["records"], flow["missing"]) == ("landing", 10, 0)
        assert sent(session, RAW) == 10

    # What was sent is not sent a second time, unless it is asked for.
    assert make_plan(ready, [origin]).planned == ()
    assert len(make_plan(ready, [origin], again=True).planned) == 1


def test_bytes_come_back_exactly_as_long_as_kafka_has_them(ready: Settings) -> None:
    wanted = [
        event(1, price=-1),
        b'{"price": "\xff\xfe"}',
        b"x" * 5_000_000,
        b"",
        "é\u202e".encode(),
    ]
    ids = refuse(ready, *wanted)
    done = replay(ready, make_plan(ready, letters(ready, *ids)))
    assert len(done.sent) == 5
    assert sorted(v for v in values_in(ready) if v is not None) == sorted(wanted * 2)
    assert {m.key for m in read_all(ready, RAW)} == {b"AAPL"}


def test_a_record_that_kafka_dropped_is_sent_where_the_letter_has_all_of_it(
    ready: Settings,
) -> None:
    ids = refuse(ready, event(1, price=-1), b"y" * 20_000, b"\xff", None)
    whole, cut, bad, tombstone = ids
    partition = parse_id(whole).partition
    end = max(parse_id(each).offset for each in ids) + 1
    gone = TopicPartition(topic_name(ready, RAW), partition, end)
    admin = make_admin(ready)
    for future in admin.delete_records([gone]).values():
        future.result(30)
    plan = make_plan(ready, letters(ready, *ids))
    assert [each.record for each in plan.planned] == [whole]
    why = {each.letter.id.record: each.why for each in plan.skipped}
    assert sorted(why) == sorted([cut, bad, tombstone])
    assert "only its start" in why[cut]
    assert "not UTF-8" in why[bad]
    replay(ready, plan)
    assert [(m.key, m.value) for m in read_all(ready, RAW)] == [(b"AAPL", event(1, price=-1))]


def test_another_record_at_the_same_place_is_never_sent(ready: Settings) -> None:
    """The stack was purged, the lake was kept: offsets count from 0 again."""
    produce(ready, RAW, [(b"AAPL", event(number)) for number in range(3)])
    one = read_all(ready, RAW)[0]
    row = {
        "topic": "dlq.processing-errors",
        "original_value": event(9, price=-1).decode(),
        "error_type": "not-positive",
        "error_message": "price: -1 is not above zero",
        "source_topic": RAW,
        "source_partition": one.partition,
        "source_offset": one.offset,
        "job": "landing",
        "failed_at": datetime.now(UTC),
    }
    schema = arrow_schema(table_named("ops.dead_letters"))
    append(ready, "ops.dead_letters", pa.Table.from_pylist([row], schema=schema))
    (only,) = letters(ready)
    found = originals(ready, [only])[only.id.coordinates]
    assert isinstance(found, Original)
    assert (found.value, found.from_kafka) == (event(9, price=-1), False)
    assert "another record" in found.note


# A replay in a process of its own that is killed at a point of its way.
_KILLED = """
import os, signal, sys
from workbench.config import Settings
from workbench.dead_letters import make_plan, replay
from workbench.dead_letters import replay as _
from workbench.dead_letters.letters import find_named
from workbench.lake.session import open_session

module = sys.modules["workbench.dead_letters.replay"]
transaction = sys.modules["workbench.dead_letters.transaction"]

def die(*_arguments):
    os.kill(os.getpid(), signal.SIGKILL)

write = module.write_marks

def write_until(settings, marks, state):
    if state == sys.argv[1]:
        die()
    write(settings, marks, state)

if sys.argv[1] == "commit":
    transaction.Transaction._commit = die
else:
    module.write_marks = write_until
settings = Settings.model_validate_json(sys.argv[2])
with open_session(settings) as session:
    letters = find_named(session, sys.argv[3:])
replay(settings, make_plan(settings, letters))
"""


@pytest.mark.parametrize(
    ("point", "state", "copies"),
    [
        ("intended", "pending", 1),  # before anything was written
        ("commit", "unclear", 1),  # all is sent, in a transaction that is still open
        ("sent", "unclear", 2),  # the transaction is committed, the mark is missing
    ],
)
def test_a_replay_that_is_killed_is_settled_by_the_next(
    ready: Settings, point: str, state: str, copies: int
) -> None:
    ids = refuse(ready, *(event(number, price=-1) for number in range(5)))
    other = refuse(ready, event(99, price=-1))
    arguments = [sys.executable, "-c", _KILLED, point, ready.model_dump_json(), *ids]
    killed = subprocess.run(arguments, check=False, capture_output=True, text=True, timeout=120)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert {states(ready)[each] for each in ids} == {state}

    # A replay of something else settles it: it is known now what became of the first.
    replay(ready, make_plan(ready, letters(ready, *other)))
    settled = "replayed" if copies == 2 else "pending"
    assert {states(ready)[each] for each in ids} == {settled}
    assert count_messages(ready, RAW) == 6 + 1 + (copies - 1) * 5

    # And the same again sends what was not sent, and nothing twice.
    replay(ready, make_plan(ready, letters(ready, *ids)))
    assert {states(ready)[each] for each in ids} == {"replayed"}
    sent = [event(number, price=-1) for number in range(5)] + [event(99, price=-1)]
    assert sorted(values_in(ready)) == sorted(sent * 2)


def test_what_was_planned_before_another_replay_is_not_sent_twice(ready: Settings) -> None:
    ids = refuse(ready, event(1, price=-1), event(2, price=-1))
    plans = [make_plan(ready, letters(ready, *ids)) for _ in range(2)]
    assert len(replay(ready, plans[0]).sent) == 2
    late = replay(ready, plans[1])
    assert (late.sent, len(late.skipped)) == ((), 2)
    assert count_messages(ready, RAW) == 4
