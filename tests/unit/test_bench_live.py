"""What is made of the traffic that went through a job: latencies, losses, the end of an outage."""

from __future__ import annotations

import json

from bench.live import recovered
from bench.records import CLOSE_MS, DAY_MS, DAY_START_MS, Shape, records
from bench.traffic import latencies

MS = 1_000_000


def test_latency_is_of_what_was_sent_in_the_measured_time():
    arrivals = [[number * MS, (number + 10) * MS, number] for number in range(100)]
    arrivals.append([500 * MS, 900 * MS, 100])
    found = latencies(arrivals, 0, 100 * MS)
    assert found == {"p50": 10.0, "p99": 10.0, "max": 10.0, "received": 100}


def test_an_outage_ends_with_the_first_output_after_the_longest_silence():
    steady = [[n * MS, (n + 5) * MS, n] for n in range(100)]
    # Killed at 50 ms: what was on its way still comes until 54 ms; the rest comes at 2 s.
    arrivals = [[s, at if s < 50 * MS else 2000 * MS, n] for s, at, n in steady]
    found = recovered(arrivals, 50 * MS - 1, sent=100)
    assert found["lost"] == found["doubled"] == 0
    assert 1.94 < found["output_s"] < 1.96
    assert 1.94 < found["fresh_s"] < 1.96


def test_what_is_missing_and_what_came_twice_is_counted():
    arrivals = [[n, n + 1, n] for n in range(10) if n != 3] + [[5, 20, 5]]
    found = recovered(arrivals, 0, sent=10)
    assert (found["lost"], found["doubled"]) == (1, 1)


def test_the_same_shape_gives_the_same_bytes():
    shape = Shape(events=2_000, symbols=7)
    assert list(records(shape)) == list(records(shape))
    assert list(records(shape)) != list(records(Shape(events=2_000, symbols=7, seed=2)))


def test_events_are_out_of_order_and_share_no_millisecond():
    shape = Shape(events=100_000, symbols=7)
    times = [json.loads(value)["timestamp_ms"] for _, value in records(shape)]
    day, closing = times[: shape.events], times[shape.events :]
    assert len(set(day)) == len(day)
    assert day != sorted(day)
    newest = day[0]
    for time in day:
        newest = max(newest, time)
        assert newest - time < 2_000
    assert min(day) >= DAY_START_MS and max(day) < DAY_START_MS + DAY_MS
    assert closing == [CLOSE_MS] * 7


def test_every_symbol_has_one_closing_execution():
    shape = Shape(events=1_000, symbols=30)
    closing = list(records(shape))[shape.events :]
    assert len({key for key, _ in closing}) == 30
    assert all(json.loads(value)["status"] == "FILLED" for _, value in closing)
