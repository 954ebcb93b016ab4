"""The demo, at a small scale on the shared stack; and twice, as a person would."""

from __future__ import annotations

import json
from datetime import timedelta

from tests.integration.support import cancel_jobs, isolated
from workbench.demo import FIRST_LIVE_DAY, Scale, demo
from workbench.ingest.generate import Defects
from workbench.lake.session import open_session

SMALL = Scale(
    history_days=8,
    batch_days=1,
    symbols=12,
    history_events=1_500,
    live_events=3_000,
    live_quotes=2_000,
    live_books=1_000,
    defects=Defects(malformed=21, duplicates=5, late=6, future=3, unroutable=4),
)


def test_the_demo_holds_and_a_second_one_streams_the_next_weekday(stack, tmp_path):
    settings = isolated(stack, tmp_path)
    said: list[str] = []
    try:
        first = demo(settings, SMALL, keep=False, say=said.append)
        second = demo(settings, SMALL, keep=False, say=said.append)
    finally:
        cancel_jobs(settings)
    days = (FIRST_LIVE_DAY, FIRST_LIVE_DAY + timedelta(days=3))
    assert (first.live_day, second.live_day) == days
    facts = dict(first.facts)
    assert facts["Flink in batch = DuckDB"].endswith("rows equal")
    assert facts["in = good + dead"] == "3,039 = 3,011 + 28"
    assert facts["order books measured"] == "1,000"
    for outcome in (first, second):
        summary = json.loads((outcome.report.folder / "report.json").read_text())
        assert summary["verdict"] == "passed"
        assert len(summary["checks"]) > 20
        assert outcome.report.html.is_file()
    # The stack was up before, so it stays up.
    assert stack.status().healthy
    with open_session(settings) as session:
        days = session.sql("SELECT DISTINCT event_time::DATE FROM market.trades").rows()
    assert len(days) == SMALL.history_days + 2
