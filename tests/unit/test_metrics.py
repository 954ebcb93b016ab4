"""Metrics: what is found becomes samples, the text is Prometheus', the endpoint is local."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tests.unit.lake_rows import at, rows_of, trade
from tests.unit.test_dead_letters import mark, refused
from workbench.cli.metrics import command as metrics_command
from workbench.cli.status import command as status_command
from workbench.config import Settings, load_settings
from workbench.contracts import JOBS, TABLES
from workbench.errors import UsageError
from workbench.lake.write import append
from workbench.metrics import METRICS, Collector, Sample, State, collect, exposition, samples
from workbench.metrics.flink import JobView
from workbench.metrics.kafka import KafkaView, Lag, lags
from workbench.metrics.lake import Counts, TableView
from workbench.metrics.look import Look, keep_look, last_look
from workbench.metrics.screen import as_dict, freshness, screen, totals
from workbench.metrics.serve import Endpoint
from workbench.stack.health import stack_status

JOB = JOBS[0]
SOURCE = JOB.sources[0]


def state(**values: Any) -> State:
    """A state in which nothing is known but what is given."""
    base: dict[str, Any] = {
        "at": at(100),
        "problems": {},
        "seconds": {},
        "jobs": (),
        "taskmanagers": {},
        "lags": None,
        "tables": (),
    }
    return State(**{**base, **values})


def values(found: list[Sample], name: str) -> dict[tuple[str, ...], float]:
    return {tuple(each.labels.values()): each.value for each in found if each.name == name}


# ---------------------------------------------------------------- the text format


def parsed(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Read the text as Prometheus' own client does; every line must be well-formed, too."""
    line = re.compile(
        r"# (HELP|TYPE) [a-zA-Z_:][a-zA-Z0-9_:]* .*"
        r'|[a-zA-Z_:][a-zA-Z0-9_:]*(\{[a-z_]+="(\\[\\"n]|[^\\"\n])*"(,[a-z_]+="(\\[\\"n]|[^\\"\n])*")*\})?'
        r" (NaN|[+-]Inf|-?[0-9.e+-]+)"
    )
    assert text.endswith("\n")
    for each in text[:-1].split("\n"):
        assert line.fullmatch(each), each
    found: dict[Any, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, key
            found[key] = sample.value
    return found


_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(_TEXT, st.floats(allow_nan=False))
def test_any_label_and_any_number_come_through(label: str, number: float) -> None:
    text = exposition([Sample("workbench_up", {"part": label}, number)])
    assert parsed(text) == {("workbench_up", (("part", label),)): number}


def test_a_hostile_label_is_escaped() -> None:
    hostile = 'x"} 1\nworkbench_up{part="\\'
    text = exposition([Sample("workbench_up", {"part": hostile}, 0.0)])
    assert text.count("\n") == 3
    assert parsed(text) == {("workbench_up", (("part", hostile),)): 0.0}


def test_numbers_without_a_value_and_without_a_limit() -> None:
    found = [Sample("workbench_up", {"part": p}, float(p)) for p in ("nan", "inf", "-inf")]
    assert [line.split()[-1] for line in exposition(found).splitlines()[2:]] == [
        "NaN",
        "+Inf",
        "-Inf",
    ]


def test_what_only_grows_is_a_counter_and_is_called_so() -> None:
    for metric in METRICS:
        assert (metric.type == "counter") == metric.name.endswith("_total"), metric.name
    assert len({metric.name for metric in METRICS}) == len(METRICS)


# ---------------------------------------------------------------- samples


def everything() -> State:
    table = next(t.name for t in TABLES if t.job == JOB.name and t.namespace == "market")
    job = JobView(
        JOB.name, "RUNNING", 5.0, {"lastCheckpointDuration": 12.0}, at(95), 2, None, 3.5, 4,
        {(SOURCE, 0): 7},
    )  # fmt: skip
    return state(
        problems={"kafka": "down"},
        seconds={"kafka": 0.1, "flink": 0.2},
        jobs=(job,),
        taskmanagers={"tm": {"Status.JVM.Memory.Heap.Used": 100.0}},
        lags=(Lag(JOB.name, SOURCE, 0, 4), Lag(JOB.name, SOURCE, 1, 1)),
        tables=(TableView(table, True, 10, 2, "1", at(90), at(80), at(60)),),
        counts=Counts(
            {
                ("landing", "dlq.deserialization", "missing-field"): 2,
                ("landing", "dlq.processing-errors", "not-positive"): 3,
                ("router", "dlq.trades.unroutable", "missing-status"): 4,
            },
            {"aggregates": 5},
            {"HIGH": 6},
            {"pending": 9, "unclear": 0, "replayed": 0},
        ),
        newest={SOURCE: at(70)},
    )


def test_what_is_found_is_measured() -> None:
    found = samples(everything())
    assert values(found, "workbench_up") == {("kafka",): 0, ("flink",): 1}
    assert values(found, "workbench_job_up") == {(JOB.name,): 1}
    assert values(found, "workbench_job_restarts") == {(JOB.name,): 2}
    assert values(found, "flink_jobmanager_job_lastCheckpointDuration") == {(JOB.name,): 12}
    assert values(found, "flink_jobmanager_numRunningJobs") == {(): 1}
    assert values(found, "flink_taskmanager_Status_JVM_Memory_Heap_Used") == {("tm",): 100}
    assert values(found, "workbench_kafka_lag_records") == {
        (JOB.name, SOURCE, "0"): 4,
        (JOB.name, SOURCE, "1"): 1,
    }
    table = everything().tables[0].name
    assert values(found, "workbench_freshness_seconds") == {
        (table, "clock"): 20.0,
        (table, "kafka"): 10.0,
    }
    assert values(found, "deserialization_errors_total")["landing",] == 2
    assert values(found, "processing_errors_total")["landing",] == 3
    assert sum(values(found, "dlq_events_total").values()) == 9
    # A reason that no contract knows, of an older release for example, is counted all the same.
    odd = state(counts=Counts({("landing", "dlq.processing-errors", "odd"): 2}))
    assert values(samples(odd), "processing_errors_total")["landing",] == 2
    assert values(found, "late_events_total") == {("aggregates",): 5}
    assert values(found, "price_alerts_fired_total")["HIGH",] == 6
    assert parsed(exposition(found))


def test_a_counter_is_there_before_anything_was_counted() -> None:
    found = samples(state(counts=Counts({}, {}, {}, None)))
    assert values(found, "late_events_total") == {("aggregates",): 0}
    assert values(found, "price_alerts_fired_total") == {
        ("LOW",): 0, ("MEDIUM",): 0, ("HIGH",): 0, ("CRITICAL",): 0,
    }  # fmt: skip
    jobs = {("landing",): 0, ("enrichment",): 0, ("alerts",): 0, ("orderbook",): 0}
    assert values(found, "deserialization_errors_total") == jobs
    assert values(found, "processing_errors_total") == jobs
    refused = values(found, "dlq_events_total")
    assert set(refused.values()) == {0}
    assert {
        ("landing", "dlq.deserialization", "invalid-json"),
        ("orderbook", "dlq.processing-errors", "crossed-book"),
        ("router", "dlq.trades.unroutable", "missing-status"),
    } < set(refused)
    # Nobody knows of a table that is not there whether it is empty.
    unknown = samples(state(counts=Counts()))
    assert not [each.name for each in unknown if each.name.endswith("_total")]


def test_the_first_batch_of_every_series_is_a_growth() -> None:
    """What `everything` counts was counted from 0, by the same series."""
    before = {(e.name, *e.labels.values()) for e in samples(state(counts=Counts({}, {}, {}, {})))}
    counts = everything().counts
    after = {(e.name, *e.labels.values()) for e in samples(state(counts=counts)) if e.value}
    assert {key for key in after if key[0].endswith("_total")} <= before


def test_a_duplicate_is_no_error() -> None:
    letters = {
        ("landing", "dlq.processing-errors", "duplicate"): 40,
        ("landing", "dlq.processing-errors", "not-positive"): 2,
    }
    found = samples(state(counts=Counts(letters)))
    assert values(found, "processing_errors_total")["landing",] == 2
    assert values(found, "dlq_events_total")[*next(iter(letters))] == 40


def test_what_is_not_known_has_no_sample() -> None:
    found = samples(state(problems={"flink": "down"}, tables=(TableView("market.trades"),)))
    assert found == []


# ---------------------------------------------------------------- lag


def kafka_view(end: int, committed: int | None = None, start: int = 0) -> KafkaView:
    known = {} if committed is None else {(SOURCE, 0): committed}
    return KafkaView({(SOURCE, 0): start}, {(SOURCE, 0): end}, {}, {JOB.name: known})


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> dict[Any, int]:
    """What would be counted in Kafka, by partition and position."""
    found: dict[Any, int] = {}
    monkeypatch.setattr("workbench.metrics.kafka._count", lambda *_: found)
    return found


@pytest.mark.parametrize(
    ("view", "kafka", "records"),
    [
        # It has read to 900: the rest of 100 offsets is counted below.
        (JobView(JOB.name, "RUNNING", positions={(SOURCE, 0): 100}), kafka_view(1_000, 50), 900),
        # It has read nothing since it started: what its group committed counts.
        (JobView(JOB.name, "RUNNING"), kafka_view(1_000, 50), 950),
        # No group either: from the start of what the topic keeps.
        (JobView(JOB.name), kafka_view(1_000, None, 300), 700),
        # What it had read is not kept any more.
        (JobView(JOB.name), kafka_view(1_000, 50, 300), 700),
        # Flink knows that only markers of transactions are left.
        (
            JobView(JOB.name, "RUNNING", pending=0, positions={(SOURCE, 0): 99}),
            kafka_view(1_000),
            0,
        ),
        # But not of a job that does not run.
        (JobView(JOB.name, "FAILED", pending=0), kafka_view(1_000, 500), 500),
    ],
)
def test_lag_is_from_where_a_job_is_to_the_end(
    settings: Settings, counted: dict[Any, int], view: JobView, kafka: KafkaView, records: int
) -> None:
    found = [lag for lag in lags(settings, kafka, [view]) if lag.job == JOB.name]
    assert found == [Lag(JOB.name, SOURCE, 0, records)]


def test_a_short_rest_is_counted(settings: Settings, counted: dict[Any, int]) -> None:
    counted[(SOURCE, 0), 998] = 1
    counted.update({((SOURCE, 0), 0): 1_000})
    found = lags(settings, kafka_view(1_000, 998), [JobView(JOB.name)])
    assert [lag.records for lag in found if lag.job == JOB.name] == [1]


# ---------------------------------------------------------------- freshness


@pytest.mark.parametrize(
    ("unread", "table", "behind"),
    [
        (0, {"newest_arrival": at(0)}, 0.0),  # nothing left to read
        (5, {"newest_arrival": at(30), "committed_at": at(99)}, 40.0),
        (5, {"committed_at": at(60)}, 10.0),  # a table that does not say what it has
        (5, {"committed_at": at(80)}, 0.0),
        (5, {}, 30.0),  # nothing landed yet: the newest record waits since 30 s
    ],
)
def test_a_table_is_behind_by_what_it_has_not(
    unread: int, table: dict[str, Any], behind: float
) -> None:
    view = TableView("market.trades", True, **table)
    known = state(lags=(Lag("landing", "raw.trades", 0, unread),), newest={"raw.trades": at(70)})
    assert known.behind_s(view) == behind


@pytest.mark.parametrize(
    ("job", "table", "behind"),
    [
        # What it has read is in a checkpoint, and so in the table.
        ({"state": "RUNNING", "checkpoint_at": at(70)}, {"newest_arrival": at(0)}, 0.0),
        # Its checkpoints fail since: it has read all and landed nothing.
        ({"state": "RUNNING", "checkpoint_at": at(30)}, {"newest_arrival": at(0)}, 40.0),
        ({"state": "RESTARTING", "checkpoint_at": at(30)}, {"newest_arrival": at(45)}, 25.0),
        # A compaction is a commit, too.
        ({"state": "RUNNING", "checkpoint_at": at(30)}, {"committed_at": at(99)}, 40.0),
        # It goes on from a savepoint and has made no checkpoint yet.
        ({"state": "RUNNING"}, {"newest_arrival": at(70)}, 0.0),
        ({"state": "RUNNING"}, {"committed_at": at(60)}, 10.0),
        ({"state": "RUNNING"}, {}, 30.0),
        # Its group says that nothing is unread, and commits at checkpoints.
        ({"state": "FINISHED"}, {"newest_arrival": at(0)}, 0.0),
    ],
)
def test_what_is_read_is_landed_at_a_checkpoint_only(
    job: dict[str, Any], table: dict[str, Any], behind: float
) -> None:
    known = state(
        jobs=(JobView("landing", **job),),
        lags=(Lag("landing", "raw.trades", 0, 0),),
        newest={"raw.trades": at(70)},
    )
    assert known.behind_s(TableView("market.trades", True, **table)) == behind


def test_a_table_is_behind_by_nobody_knows_what_without_kafka() -> None:
    known = state()
    assert known.behind_s(TableView("market.trades", True)) is None
    assert freshness(None) is None


def test_tables_beside_the_market_have_rows_when_something_is_wrong_only() -> None:
    known = state(lags=(Lag("landing", "raw.trades", 0, 5),), newest={"raw.trades": at(70)})
    assert known.behind_s(TableView("ops.dead_letters", True)) is None
    alerts = state(lags=(Lag("alerts", "raw.trades", 0, 5),), newest={"raw.trades": at(70)})
    assert alerts.behind_s(TableView("market.price_alerts", True, newest_arrival=at(0))) is None


# ---------------------------------------------------------------- the lake's counts


def test_counts_come_from_the_lake_and_only_grow(lake: Settings) -> None:
    append(lake, "ops.dead_letters", rows_of("ops.dead_letters", [refused(1), refused(2)]))
    collector = Collector(lake)
    first = collector.collect()
    assert first.counts.dead_letters == {("landing", "dlq.processing-errors", "not-positive"): 2}
    assert first.counts.states == {"pending": 2, "unclear": 0, "replayed": 0}
    append(lake, "ops.dead_letters", rows_of("ops.dead_letters", [refused(3)]))
    sent = rows_of("ops.dead_letter_replays", [mark(1, "intended"), mark(1, "sent")])
    append(lake, "ops.dead_letter_replays", sent)
    second = collector.collect()
    assert second.counts.dead_letters == {("landing", "dlq.processing-errors", "not-positive"): 3}
    assert second.counts.states == {"pending": 2, "unclear": 0, "replayed": 1}
    assert "lake" not in second.problems
    assert set(second.problems) == {"flink", "kafka"}


def test_a_table_tells_how_new_it_is(lake: Settings) -> None:
    trades = [
        trade(1, event_time=at(0, days=3), source_time=at(10)),
        trade(2, event_time=at(0), source_time=at(20)),
    ]
    append(lake, "market.trades", rows_of("market.trades", trades[:1]))
    append(lake, "market.trades", rows_of("market.trades", trades[1:]))
    found = next(
        t for t in Collector(lake).collect(detail=False).tables if t.name == "market.trades"
    )
    assert (found.rows, found.files) == (2, 2)
    # The newest event was landed first; what arrived last is of an older day.
    assert (found.newest_event, found.newest_arrival) == (at(0, days=3), at(20))


def test_a_table_that_is_not_there_is_absent(lake: Settings) -> None:
    from workbench.lake.catalog import load_catalog

    load_catalog(lake).drop_table("ops.late_rows")
    found = Collector(lake).collect()
    assert not next(t for t in found.tables if t.name == "ops.late_rows").exists
    assert found.counts.late is None
    assert values(samples(found), "late_events_total") == {}


def test_a_torn_table_is_broken_and_the_others_are_not(lake: Settings) -> None:
    from workbench.lake.catalog import load_catalog

    append(lake, "ops.dead_letters", rows_of("ops.dead_letters", [refused(1)]))
    metadata = load_catalog(lake).load_table("ops.late_rows").metadata_location
    file = Path(metadata.removeprefix("file://"))
    file.write_text(file.read_text()[:100])
    found = Collector(lake).collect()
    assert "lake" not in found.problems
    shown = screen(found, stack_status(lake), None)
    assert {row[0]: row[-1] for row in shown.tables}["ops.late_rows"] == "broken"
    assert any(str(file) in line for line in shown.lines)
    up = values(samples(found), "workbench_table_up")
    assert (up["ops.late_rows",], up["ops.dead_letters",]) == (0, 1)
    assert sum(values(samples(found), "dlq_events_total").values()) == 1


def test_what_is_torn_in_one_table_silences_no_other(lake: Settings) -> None:
    from workbench.lake.catalog import load_catalog

    append(lake, "ops.dead_letters", rows_of("ops.dead_letters", [refused(1)]))
    metadata = load_catalog(lake).load_table("ops.dead_letter_replays").metadata_location
    file = Path(metadata.removeprefix("file://"))
    kept = file.read_text()
    collector = Collector(lake)
    file.write_text(kept[:100])
    found = collector.collect()
    assert sum((found.counts.dead_letters or {}).values()) == 1
    assert found.counts.late == {} and found.counts.alerts == {}
    assert found.counts.states is None
    # It is put right, without a commit.
    file.write_text(kept)
    assert collector.collect().counts.states == {"pending": 1, "unclear": 0, "replayed": 0}


# ---------------------------------------------------------------- parts that are down


def test_before_anything_was_started_everything_is_down_and_nothing_is_made(
    tmp_path: Path,
) -> None:
    settings = load_settings(tmp_path)
    found = Collector(settings).collect()
    assert set(found.problems) == {"flink", "kafka", "lake"}
    assert values(samples(found), "workbench_up") == {("flink",): 0, ("kafka",): 0, ("lake",): 0}
    assert {job.state for job in found.jobs} == {"unknown"}
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_does_not_answer_does_not_hold_up_the_others(
    lake: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go = threading.Event()
    monkeypatch.setattr(collect, "COLLECT_SECONDS", 0.5)
    monkeypatch.setattr(collect, "ask_kafka", lambda _: let_go.wait(60))
    try:
        found = Collector(lake).collect(detail=False)
        assert found.problems["kafka"] == "no answer in 0.5 s"
        assert found.lags is None
    finally:
        let_go.set()


def test_a_question_without_an_answer_is_not_asked_once_more(
    lake: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go = threading.Event()
    asked = []

    def hang(_: Settings) -> None:
        asked.append(1)
        let_go.wait(60)

    monkeypatch.setattr(collect, "COLLECT_SECONDS", 0.1)
    monkeypatch.setattr(collect, "ask_kafka", hang)
    collector = Collector(lake)
    try:
        for _ in range(3):
            assert "no answer in" in collector.collect(detail=False).problems["kafka"]
        assert len(asked) == 1
    finally:
        let_go.set()
    monkeypatch.setattr(collect, "COLLECT_SECONDS", 8)
    collector.collect(detail=False)
    collector.collect(detail=False)
    assert len(asked) > 1


def test_an_address_in_a_problem_shows_no_password(
    lake: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Settings) -> None:
        raise RuntimeError("cannot reach thrift://me:hunter2@db")

    monkeypatch.setattr(collect, "ask_kafka", broken)
    assert "hunter2" not in str(Collector(lake).collect(detail=False).problems)


# ---------------------------------------------------------------- the endpoint


@pytest.fixture
def endpoint(lake: Settings) -> Iterator[Endpoint]:
    with Endpoint(Collector(lake), 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)


def scrape(port: int, path: str = "/metrics", **headers: str) -> tuple[int, str, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, "", ""


def test_a_scrape_gives_the_metrics(endpoint: Endpoint) -> None:
    status, kind, text = scrape(endpoint.port)
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert parsed(text)["workbench_up", (("part", "lake"),)] == 1
    assert scrape(endpoint.port, "/other")[0] == 404
    assert scrape(endpoint.port, Host="evil.example:9250")[0] == 403


def test_the_endpoint_listens_on_loopback_only(endpoint: Endpoint) -> None:
    listening = [
        each.laddr.ip
        for each in psutil.Process().net_connections("inet")
        if each.status == psutil.CONN_LISTEN and each.laddr.port == endpoint.port
    ]
    assert listening == ["127.0.0.1"]


def test_a_port_in_use_is_named(lake: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} cannot be used"):
            Endpoint(Collector(lake), port)


def test_scrapes_at_the_same_time_ask_once(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    answer = state(seconds={"lake": 0.1})

    def once(**_: bool) -> State:
        asked.append(1)
        time.sleep(0.2)
        return answer

    monkeypatch.setattr(endpoint._collector, "collect", once)
    threads = [threading.Thread(target=scrape, args=(endpoint.port,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked) == 1


def test_once_prints_the_metrics(lake: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_PROJECT", str(lake.project))
    shown = CliRunner().invoke(metrics_command, ["serve", "--once"])
    assert parsed(shown.stdout)["workbench_up", (("part", "lake"),)] == 1


# ---------------------------------------------------------------- the screen


def test_the_screen_says_what_came_since_the_last_look(lake: Settings) -> None:
    append(lake, "ops.dead_letters", rows_of("ops.dead_letters", [refused(n) for n in range(5)]))
    found = Collector(lake).collect(detail=False)
    look = Look(found.at - timedelta(minutes=3), {"dead letters": 2, "late rows": 0})
    shown = screen(found, stack_status(lake), look)
    assert "dead letters 5 (+3) · late rows 0 (+0)" in shown.lines[-1]
    assert shown.lines[-1].endswith("(since the last look, 3 min ago)")
    counts = as_dict(found, stack_status(lake), look)["counts"]
    assert counts["dead letters"] == {"total": 5, "since_last_look": 3}


def test_a_look_is_kept_where_there_is_a_stack(settings: Settings) -> None:
    look = Look(at(0), {"dead letters": 5, "alerts": None})
    keep_look(settings, look)
    assert last_look(settings) is None
    settings.stack_folder.mkdir()
    keep_look(settings, look)
    assert last_look(settings) == Look(at(0), {"dead letters": 5})
    (settings.stack_folder / "status.json").write_text("[]")
    assert last_look(settings) is None


def test_a_job_with_a_problem_is_named_with_it() -> None:
    jobs = (JobView(JOB.name, "RESTARTING", problem="it\x1b[2J broke"),)
    shown = screen(state(jobs=jobs), stack_status(Settings(project=Path("/nowhere"))), None)
    assert shown.jobs[0][:2] == (JOB.name, "RESTARTING")
    assert f"{JOB.name}: it\x1b[2J broke" in shown.lines


def test_status_works_before_anything_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_PROJECT", str(tmp_path))
    shown = CliRunner().invoke(status_command)
    assert shown.exit_code == 0, shown
    assert re.search(r"kafka +down", shown.output)
    assert "lake: no lake in" in shown.output
    assert "dead letters -" in shown.output
    found = json.loads(CliRunner().invoke(status_command, ["--json"]).stdout)
    assert {table["table"] if "table" in table else table["name"] for table in found["tables"]} == {
        table.name for table in TABLES
    }
    assert list(tmp_path.iterdir()) == []


def test_totals_are_those_of_the_contracts() -> None:
    assert set(totals(state())) >= {"dead letters", "late rows"}


def test_a_watch_that_is_not_on_a_terminal_is_plain(
    lake: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []

    def nap(_: float) -> None:
        drawn.append(1)
        if len(drawn) == 2:
            raise KeyboardInterrupt

    monkeypatch.setenv("WORKBENCH_PROJECT", str(lake.project))
    monkeypatch.setattr("workbench.cli.status.time.sleep", nap)
    shown = CliRunner().invoke(status_command, ["--watch"])
    assert shown.exit_code == 0
    assert "\x1b" not in shown.output
    assert shown.output.count("market.trades ") == 2
    drawn.clear()
    lines = CliRunner().invoke(status_command, ["--watch", "--json"]).stdout.splitlines()
    assert [json.loads(line)["problems"].keys() for line in lines] == [{"flink", "kafka"}] * 2
