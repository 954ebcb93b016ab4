"""A report on a stream that goes on: jobs are not drained, and it passes all the same."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.integration.support import (
    cancel_jobs,
    count,
    market_day,
    prepared,
    produce,
    wait_until,
)
from workbench.config import Settings
from workbench.jobs import submit
from workbench.jobs.cluster import Cluster
from workbench.lake.session import open_session
from workbench.reports.runner import run_report
from workbench.stack import Stack, endpoints

JOBS = ["landing", "router", "aggregates", "enrichment"]


@pytest.fixture
def streaming(stack: Stack, tmp_path: Path) -> Iterator[Settings]:
    settings = prepared(stack, tmp_path)
    submit(settings, JOBS)
    yield settings
    cancel_jobs(settings)


def executions(settings: Settings) -> int:
    with open_session(settings) as session:
        [(found,)] = session.sql("SELECT count(*) FROM market.executions").rows()
    return int(found)


def test_a_report_passes_while_jobs_run_and_names_what_is_not_settled(
    streaming: Settings,
) -> None:
    messages = market_day(streaming, 5, 2_000)
    produce(streaming, "raw.trades", messages)
    wait_until(
        lambda: (
            count(streaming, "market.trades") + count(streaming, "ops.dead_letters")
            >= len(messages)
            and count(streaming, "market.trade_aggregates") > 0
            and count(streaming, "market.enriched_trades") >= executions(streaming)
        ),
        "everything is landed and enriched, some windows are closed",
    )
    # The last minute is not waited for: no event comes that closes it.
    run = run_report(streaming, "market_day", {"top": 3})
    jobs = Cluster(endpoints(streaming, kafka=False).rest_url).jobs()
    mine = [job for job in jobs if job.name.startswith(streaming.kafka.topic_prefix)]
    assert [job.runs for job in mine] == [True] * len(JOBS)

    assert [check["name"] for check in run.failed_checks] == []
    figures = {each["name"]: each["value"] for each in run.summary["figures"]}
    # The last minute is open until an event comes that passes it.
    open_executions = figures["executions not in windows yet"]
    assert 0 < open_executions < figures["executions"]
    assert Decimal(figures["notional not in windows yet"]) > 0
    checks = {each["name"]: each for each in run.summary["checks"]}
    settled = checks["executions in windows, settled"]["value"]
    assert 0 < settled == figures["executions"] - open_executions
    page = run.html.read_text(encoding="utf-8")
    assert "executions not in windows yet" in page
    assert f"{open_executions:,}" in page
