"""The Java reader keeps the written rules: Flink refuses what Python refuses, and why."""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from tests.integration.support import rows
from tests.unit.test_reader import ARRIVED, TRADE, notionals, read, records, trade, with_text
from workbench.config import load_settings
from workbench.contracts.reader import Refused, Valid, original_value, status_problem
from workbench.jobs.deployment import deployment
from workbench.jobs.process import ask
from workbench.lake import tables

ODD = [
    "0", "-0", "1", "1.0", "1e0", "1E+2", "0.1", "123456789.123456789", "12345678.12345678",
    "9999999999.99999999", "9999999999.999999995", "10000000000", "0.00000001", "0.000000004",
    "99999999999999999999", "9223372036854775807", '"9223372036854775807"', '"1"', '"1.50"',
    '" 1"', '"1e2"', '"-1"', '"+1"', '"00012.5"', '"NaN"', '"-iNf"', "null", "true", '""', '" "',
    '"x"', '"BUY"', '"buy "', '"\\tbuy"', '":"', '"\\""', '"\\u0041"', '"é"', "[]", "{}",
    '["price"]', '{"price":1}', "NaN", "1.", ".5", "01", "+1", "1_000", "'x'", "", '"\\ud800"',
    '"fılled"', '"ﬁlled"', '"\u00a0"', '"１"', "1e999", "1e-999", "1e-400000", "1" * 150,
    '"' + "x" * 500 + '"', "0." + "0" * 200 + "1",
]  # fmt: skip
WHOLE: list[bytes | None] = [
    None, b"", b"  ", b"[]", b'"x"', b"null", b"3.5", b"[1,2]", b'{"a":1}{}', b'{"a":1} x',
    b"\xef\xbb\xbf{}", b"\xff{}", b"[" * 200 + b"]" * 200, b"[" * 201 + b"]" * 201,
    trade()[:-1] + b', "price": 1}', trade()[:-1] + b', "\\u0070rice": 1}',
    trade()[:-1] + b', "x": "\\ud800"}', trade()[:-1] + b', "x": {"y":["\\udc00\\ud800"]}}',
    trade()[:-1] + b', "x": "\\ud83d\\ude00"}', trade()[:-1] + b', "x":1,"x":2}',
    trade(note="x" * 8_000_000), trade(note="x" * 7_999_000), b"\xff" * 8_000_001,
    *(trade(**{name: "é" * size}) for name in TRADE for size in (1_000, 1_001)),
    trade() + b"\x00", trade(symbol="\U0001f600"), trade(status="DONE"), trade(status=None),
]  # fmt: skip


def hostile() -> list[bytes | None]:
    """Every field with every odd text, a record damaged at each byte, and generated garbage."""
    values = [*WHOLE, *notionals(), *(with_text(name, text) for name in TRADE for text in ODD)]
    whole, generator = trade(), random.Random(7)
    for at in range(len(whole)):
        values.append(whole[:at] + whole[at + 1 :])
        values.append(whole[:at] + generator.randbytes(1) + whole[at:])
        values.append(whole[:at] + b'"' + whole[at + 1 :])

    @hypothesis_settings(
        max_examples=500, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(records())
    def collect(value: bytes) -> None:
        values.append(value)

    collect()
    return values


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """Hostile values with what landing and router made of each, by their offset."""
    folder = tmp_path_factory.mktemp("reading")
    settings = load_settings(folder)
    tables.apply(settings)
    values = hostile()
    _stage(values, folder / "staged" / "raw.trades")
    request = {
        "command": "batch",
        "jobs": [
            {"name": job, "deployment": deployment(settings, job, kafka=False)}
            for job in ("landing", "router")
        ],
        "staged": str(folder / "staged"),
        "output": str(folder / "out"),
        "work": str(folder),
    }
    assert len(list(ask(settings, request, heap_mb=1500))) == 2
    landed, dead = (
        {row["source_offset"]: row for row in rows(settings, table).to_pylist()}
        for table in ("market.trades", "ops.dead_letters")
    )
    return values, landed, dead


def _stage(values: list[bytes | None], folder: Path) -> None:
    folder.mkdir(parents=True)
    lines = [
        json.dumps(
            {
                "value": None if value is None else base64.b64encode(value).decode(),
                "source_topic": "hostile",
                "source_partition": 0,
                "source_offset": offset,
                "arrival": offset,
                "source_time": ARRIVED.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
            }
        )
        for offset, value in enumerate(values)
    ]
    (folder / "hostile.json").write_text("\n".join(lines) + "\n")


def test_flink_accepts_what_python_accepts_with_the_same_values(verdicts):
    values, landed, _ = verdicts
    accepted = 0
    for offset, value in enumerate(values):
        result = read(value)
        if isinstance(result, Refused) or status_problem(result.values["status"]):
            assert offset not in landed, value
            continue
        found = dict(landed[offset])
        found["timestamp_ms"] = round(found["event_time"].timestamp() * 1000)
        assert {name: found[name] for name in result.values} == result.values, value
        accepted += 1
    assert accepted > 100


def test_flink_refuses_what_python_refuses_for_the_same_reason(verdicts):
    values, _, dead = verdicts
    reasons = set()
    for offset, value in enumerate(values):
        result = read(value)
        wanted = status_problem(result.values["status"]) if isinstance(result, Valid) else result
        if wanted is None:
            assert offset not in dead, value
            continue
        found = dead[offset]
        assert (found["error_type"], found["topic"]) == (wanted.error_type, wanted.topic), value
        # The words of a JSON parser are its own; every other message is the contract's.
        if wanted.error_type != "invalid-json":
            assert found["error_message"] == wanted.error_message
        assert found["original_value"] == original_value(value)
        reasons.add(wanted.error_type)
    assert reasons == {
        "tombstone", "too-large", "invalid-utf8", "invalid-json", "not-an-object", "repeated-field",
        "missing-field", "wrong-type", "not-finite", "not-positive", "out-of-range",
        "future-time", "missing-status", "unknown-status",
    }  # fmt: skip
