"""Files reach a real broker whole, in order, on the partitions Kafka's own clients would take."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from workbench.broker import topics
from workbench.broker.clients import make_admin, topic_name
from workbench.broker.offsets import count_messages, end_offsets, read_all
from workbench.config import Settings
from workbench.contracts import TOPICS
from workbench.errors import StackError, UsageError, WorkbenchError
from workbench.ingest.files import iter_batches
from workbench.ingest.generate import Defects, choose, generate_day, load_instruments
from workbench.ingest.generate.write import write_day
from workbench.ingest.replay import _LEAD_ROWS, _LEAD_SECONDS, Sender, replay

CAPTURE = Path(__file__).parents[3] / "shared" / "data" / "binance-ethusdt-20240808.jsonl.gz"


@pytest.fixture
def applied(settings: Settings) -> Iterator[Settings]:
    topics.apply(settings)
    yield settings
    admin = make_admin(settings)
    for future in admin.delete_topics([topic_name(settings, t.name) for t in TOPICS]).values():
        future.result()


@pytest.fixture
def day_files(tmp_path: Path) -> dict[str, Path]:
    """One generated day with every defect, as JSON lines, packed JSON lines and Parquet."""
    instruments = choose(load_instruments(Settings().symbols_file), 12)
    defects = Defects(duplicates=5, late=5, future=2, unroutable=4)
    day = generate_day(date(2024, 1, 2), 7, instruments, 3_000, defects)
    return {
        "jsonl": write_day(day, tmp_path / "1")[0],
        "gz": write_day(day, tmp_path / "2", gzip=True)[0],
        "parquet": write_day(day, tmp_path / "3", "parquet")[0],
    }


def murmur2(data: bytes) -> int:
    """Kafka's own hash of a key, from its definition: 32 bits, unsigned."""
    mask, mix = 0xFFFFFFFF, 0x5BD1E995
    hashed = 0x9747B28C ^ len(data)
    whole = len(data) // 4 * 4
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * mix & mask
        word = (word ^ word >> 24) * mix & mask
        hashed = hashed * mix & mask ^ word
    if rest := data[whole:]:
        hashed = (hashed ^ int.from_bytes(rest, "little")) * mix & mask
    hashed = (hashed ^ hashed >> 13) * mix & mask
    return hashed ^ hashed >> 15


def test_the_hash_of_this_test_is_kafkas() -> None:
    # The values are those of Kafka's own unit test of its hash.
    known = {b"21": -973932308, b"foobar": -790332482, b"abc": 479470107}
    assert {key: murmur2(key) for key in known} == {k: v % 2**32 for k, v in known.items()}


def test_every_partition_has_a_record_before_the_bulk_comes(
    applied: Settings, day_files: dict[str, Path]
) -> None:
    replay(applied, [day_files["jsonl"]], "trades")
    received = read_all(applied, "raw.trades")
    stamps = sorted(message.timestamp_ms for message in received)
    rests = [after - before for before, after in itertools.pairwise(stamps)]
    rest = max(range(len(rests)), key=rests.__getitem__)
    assert rests[rest] >= 1000 * _LEAD_SECONDS - 50
    leading = {message.partition for message in received if message.timestamp_ms <= stamps[rest]}
    assert leading == {message.partition for message in received} and len(leading) > 1
    assert rest < 2 * _LEAD_ROWS


@pytest.mark.parametrize("form", ["jsonl", "gz", "parquet"])
def test_a_file_arrives_whole_and_in_order(
    applied: Settings, day_files: dict[str, Path], form: str
) -> None:
    done = replay(applied, [day_files[form]], "trades")
    sent = [row for batch in iter_batches(day_files[form], "trades") for row in batch.to_pylist()]
    assert done.sent == {"raw.trades": len(sent)}
    assert done.failed.total() == 0
    received = read_all(applied, "raw.trades")
    for key in {row["key"] for row in sent}:
        assert [m.value for m in received if m.key == key] == [
            row["value"] for row in sent if row["key"] == key
        ]
    assert len(received) == len(sent) == count_messages(applied, "raw.trades")


def test_a_key_goes_where_kafkas_own_clients_put_it(
    applied: Settings, day_files: dict[str, Path]
) -> None:
    full = applied.model_copy(
        update={"kafka": applied.kafka.model_copy(update={"profile": "full"})}
    )
    topics.apply(full)
    replay(full, [day_files["parquet"]], "trades")
    used = set()
    for message in read_all(full, "raw.trades"):
        assert message.key is not None
        assert message.partition == (murmur2(message.key) & 0x7FFFFFFF) % 8
        used.add(message.partition)
    assert len(used) > 3


def test_records_nobody_can_read_are_sent_as_they_are(applied: Settings, tmp_path: Path) -> None:
    big = b'{"symbol":"BIG","note":"' + os.urandom(2_500_000).hex().encode() + b'"}'
    lines = [b"{broken", b"\xff\xfe", b"null", big, b'{"symbol":"A","more":{"x":[1]}}']
    path = tmp_path / "odd.jsonl"
    path.write_bytes(b"\n".join(lines))
    assert len(big) > 5_000_000
    assert replay(applied, [path], "trades").sent.total() == len(lines)
    received = {message.value: message.key for message in read_all(applied, "raw.trades")}
    assert received == dict.fromkeys(lines[:3]) | {big: b"BIG", lines[4]: b"A"}


def test_a_tombstone_arrives_as_one(applied: Settings) -> None:
    sender = Sender(applied, ["raw.trades"])
    sender.send(["raw.trades"], [b"AAPL"], [None])
    sender.finish()
    [message] = read_all(applied, "raw.trades")
    assert (message.key, message.value) == (b"AAPL", None)
    assert sender.error() is None


def test_a_record_too_large_is_counted_and_the_others_go_on(
    applied: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "large.jsonl"
    small = b'{"symbol":"A"}\n'
    path.write_bytes(small + b'{"symbol":"B","x":"' + b"x" * 9_000_000 + b'"}\n' + small)
    with pytest.raises(WorkbenchError, match=r"1 messages were not acknowledged") as caught:
        replay(applied, [path], "trades")
    done = caught.value.replayed  # type: ignore[attr-defined]
    assert (done.sent.total(), done.failed) == (2, {"MSG_SIZE_TOO_LARGE": 1})
    assert count_messages(applied, "raw.trades") == 2


def test_what_the_broker_refuses_is_counted(applied: Settings, day_files: dict[str, Path]) -> None:
    name = topic_name(applied, "raw.trades")
    entry = ConfigEntry("max.message.bytes", "100", incremental_operation=AlterConfigOpType.SET)
    change = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry])
    admin = make_admin(applied)
    for future in admin.incremental_alter_configs([change]).values():
        future.result()
    with pytest.raises(WorkbenchError, match="not acknowledged") as caught:
        replay(applied, [day_files["jsonl"]], "trades")
    done = caught.value.replayed  # type: ignore[attr-defined]
    assert done.sent.total() + done.failed.total() == 3_016
    assert done.sent.total() == count_messages(applied, "raw.trades")


def test_a_missing_topic_a_missing_broker_and_a_missing_file(
    settings: Settings, day_files: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(WorkbenchError, match="workbench topics apply"):
        replay(settings, [day_files["jsonl"]], "trades")
    kafka = settings.kafka.model_copy(update={"bootstrap_servers": "127.0.0.1:1"})
    with pytest.raises(StackError, match="workbench stack up"):
        replay(settings.model_copy(update={"kafka": kafka}), [day_files["jsonl"]], "trades")
    with pytest.raises(UsageError, match="no file"):
        replay(settings, [tmp_path / "none.jsonl"], "trades")
    with pytest.raises(UsageError, match="--loop"):
        replay(settings, ["-"], "trades", loop=True)


def test_by_the_clock_it_takes_the_time_of_the_events(applied: Settings, tmp_path: Path) -> None:
    path = tmp_path / "slow.jsonl"
    start = 1_700_000_000_000
    times = [start + 100 * number for number in range(31)]
    times[10] += 10 * 365 * 86_400_000  # one stamp ten years ahead must not stop it
    path.write_text("".join(f'{{"symbol":"A","timestamp_ms":{ms}}}\n' for ms in times))
    done = replay(applied, [path], "trades", speed=3)
    assert done.sent.total() == 31
    assert done.seconds > 0.9
    # The broker stamps what a new producer sends: its first records may come in one batch.
    assert count_messages(applied, "raw.trades") == 31


def test_a_large_parquet_file_arrives_whole(applied: Settings, tmp_path: Path) -> None:
    instruments = choose(load_instruments(Settings().symbols_file), 20)
    day = generate_day(date(2024, 1, 2), 7, instruments, 300_000)
    path = write_day(day, tmp_path, "parquet")[0]
    before = sum(end_offsets(applied, ["raw.trades"]).values())
    replay(applied, [path], "trades")
    assert sum(end_offsets(applied, ["raw.trades"]).values()) - before == 300_000


@pytest.mark.skipif(not CAPTURE.exists(), reason=f"no capture at {CAPTURE}")
def test_a_capture_fills_all_three_topics(applied: Settings) -> None:
    done = replay(applied, [CAPTURE], "binance")
    expected = {"raw.trades": 6_106, "raw.marketdata": 24_077, "raw.orderbook": 3_432}
    assert done.sent == expected
    assert done.tally.depth == {"already in the snapshot": 2}
    assert {topic: count_messages(applied, topic) for topic in expected} == expected
    ends = end_offsets(applied, expected)
    assert {topic for (topic, _), end in ends.items() if end} == set(expected)


def test_ctrl_c_ends_a_loop_with_its_counts(applied: Settings, day_files: dict[str, Path]) -> None:
    kafka, stack = applied.kafka, applied.stack
    environment: dict[str, Any] = {
        **os.environ,
        "WORKBENCH_PROJECT": str(applied.project),
        "WORKBENCH_KAFKA__TOPIC_PREFIX": kafka.topic_prefix,
        "WORKBENCH_STACK__FOLDER": str(stack.folder),
    }
    arguments = ["replay", str(day_files["jsonl"]), "--format", "trades", "--loop", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-c", "from workbench.cli import main; main()", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
    )
    try:
        deadline = time.monotonic() + 60
        while sum(end_offsets(applied, ["raw.trades"]).values()) < 7_000:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    assert json.loads(output)["sent"] == count_messages(applied, "raw.trades")


def test_batches_may_hold_anything_the_schema_allows(applied: Settings) -> None:
    sender = Sender(applied, ["raw.trades", "raw.orderbook"])
    batch = pa.record_batch(
        {
            "topic": ["raw.trades", "raw.orderbook", "raw.trades"],
            "key": pa.array([b"A", None, b""], pa.binary()),
            "value": pa.array([b"", b"x", None], pa.binary()),
        }
    )
    sender.send(*(column.to_pylist() for column in batch.columns))
    sender.finish()
    assert sender.handed == {"raw.trades": 2, "raw.orderbook": 1}
    assert count_messages(applied, "raw.trades") == 2
