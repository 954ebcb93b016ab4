"""The oracle of the fault suite sees what it is there for."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

from tests.faults.oracle import firsts, is_late, watermarks
from workbench.broker.offsets import Received

MINUTE = 1_717_423_200_000
NOW = MINUTE + 3_600_000


def message(partition: int, offset: int, time_ms: object) -> Received:
    value = b"oops" if time_ms is None else json.dumps({"timestamp_ms": time_ms}).encode()
    return Received(partition, offset, None, value, NOW)


def late_row(event_ms: int, watermark_ms: int) -> dict[str, object]:
    return {
        "event_time": datetime.fromtimestamp(event_ms / 1000, UTC),
        "watermark": datetime.fromtimestamp(watermark_ms / 1000, UTC),
        "lateness_ms": watermark_ms - event_ms,
    }


def test_a_watermark_is_5_s_behind_what_came_before_in_the_same_partition():
    far = NOW + 3_600_000
    sent = [MINUTE, MINUTE + 90_000, None, far, MINUTE + 1, MINUTE + 90_001]
    found = watermarks([message(0, n, at) for n, at in enumerate(sent)] + [message(1, 0, MINUTE)])
    behind = [found[0, n] - MINUTE for n in range(1, 6)]
    assert behind == [-5_000, 85_000, 85_000, 85_000, 85_000]
    assert found[0, 0] == found[1, 0] == -math.inf


def test_a_clock_that_is_ahead_moves_a_watermark_to_its_arrival():
    sent = [NOW - 1_000, NOW + 299_000, NOW - 500]
    found = watermarks([message(0, n, at) for n, at in enumerate(sent)])
    assert [found[0, n] - NOW for n in (1, 2)] == [-6_000, -5_000]


def test_a_row_is_late_only_by_the_definition():
    watermark = MINUTE + 85_000
    assert is_late(late_row(MINUTE, watermark), watermark)
    # By a clock that nothing before it has brought about: it was timely, and is lost in there.
    assert not is_late(late_row(MINUTE, watermark), watermark - 1)
    # Not later than what is still counted.
    assert not is_late(late_row(MINUTE + 55_000, watermark), watermark)
    # Its minute was open.
    assert not is_late(late_row(MINUTE, MINUTE + 59_998), watermark)
    assert not is_late({**late_row(MINUTE, watermark), "lateness_ms": 1}, watermark)


def test_messages_that_come_again_are_known_by_the_identity_of_their_topic():
    places = [("landing", 0, 1), ("landing", 0, 2), ("landing", 0, 1), ("router", 0, 1)]
    letters = [
        {"job": job, "source_topic": "t", "source_partition": part, "source_offset": at, "n": n}
        for n, (job, part, at) in enumerate(places)
    ]
    sent = [Received(0, n, None, json.dumps(each).encode(), 0) for n, each in enumerate(letters)]
    assert [m.offset for m in firsts("dlq.deserialization", sent)] == [0, 1, 3]
