"""The suites: which engines run on which topics, in which order.

Repeats are interleaved (all engines once, then all of them again), so that a busy minute of the
machine hits all of them alike. What a suite returns is plain data for `bench.page`.
"""

from __future__ import annotations

import re
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench import live
from bench import report as reports
from bench.desk import desk
from bench.engine import Result, measure
from bench.flinkjob import FlinkJob, RegistryJob
from bench.flinksql import OwnMinutes, PassThrough, PlainMinutes, SqlJob
from bench.lab import Lab
from bench.outputs import delete_topics
from bench.peer import PROGRAMS, Peer, version
from bench.records import Shape
from bench.survival import survive

Row = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """What a run was asked for.

    Parameters
    ----------
    shape
        The topic.
    repeats
        Measured runs of each engine, after the first one.
    slots
        Slots (parallelism) of the growth suite.
    seconds
        How long latency is measured.
    only
        Engines of the peers suite whose names match, and no others.
    kills
        Whether the peers suite also kills each engine, to see what is lost.
    """

    shape: Shape
    repeats: int = 3
    slots: tuple[int, ...] = (1, 2)
    seconds: int = 30
    only: str = ""
    kills: bool = True


Make = Callable[[], RegistryJob | SqlJob | Peer]


def run_one(lab: Lab, shape: Shape, make: Make, run: str) -> Row:
    """Run an engine once; a run that breaks is a row that says so."""
    engine = make()
    lab.progress(f"{engine.name}: {engine.task}, {shape.total:,} records, {run}")
    try:
        result: Result = measure(
            lab,
            engine,
            events=shape.total,
            expected=engine.expected(),
            run=run,
            is_result=engine.is_result,
        )
    except (RuntimeError, TimeoutError) as error:
        traceback.print_exc()
        late = engine.late() if isinstance(engine, RegistryJob) else ""
        failed = {"engine": engine.name, "task": engine.task, "run": run, "events": shape.total}
        return {**failed, "durability": engine.durability, "wrong": f"broke: {error}{late}"}
    finally:
        if not isinstance(engine, RegistryJob):
            delete_topics(lab.bootstrap_servers, engine.topics())
    row = result.as_dict()
    if result.wrong:
        lab.progress(f"  WRONG: {result.wrong}")
    else:
        lab.progress(
            f"  {result.rate:,.0f} events/s, {result.cpu_per_million:.1f} CPU s per million"
        )
    return row


def rounds(lab: Lab, options: Options, engines: list[Make]) -> list[Row]:
    """Run each Flink job first once, in a fresh TaskManager; then all engines in turn."""
    shape = options.shape
    lab.preload(shape)
    rows = []
    on_flink = [make for make in engines if not isinstance(make(), Peer)]
    for make in on_flink:
        lab.restart_taskmanager()
        rows.append(run_one(lab, shape, make, "first"))
    if on_flink:
        lab.restart_taskmanager()
    for make in on_flink:
        run_one(lab, shape, make, "unmeasured")
    for _ in range(options.repeats):
        rows += [
            run_one(lab, shape, make, "warm" if make in on_flink else "fresh") for make in engines
        ]
    return rows


def router(lab: Lab, options: Options) -> Row:
    """The router beside the same Flink that passes everything through."""
    shape = options.shape
    rows = rounds(
        lab,
        options,
        [
            lambda: RegistryJob(lab, shape, ["router"]),
            lambda: RegistryJob(lab, shape, ["router"], delivery="at-least-once"),
            lambda: PassThrough(lab, shape),
        ],
    )
    return {"rows": rows}


def aggregates(lab: Lab, options: Options) -> Row:
    """Three windows with event-time open and close, into Kafka and Iceberg."""
    shape = options.shape
    makes: list[Make] = [
        lambda: RegistryJob(lab, shape, ["aggregates"]),
        lambda: OwnMinutes(lab, shape),
        lambda: PlainMinutes(lab, shape),
    ]
    return {"rows": rounds(lab, options, makes)}


def landing(lab: Lab, options: Options) -> Row:
    """What landing every trade besides costs."""
    shape = options.shape
    makes: list[Make] = [
        lambda: RegistryJob(lab, shape, ["aggregates"]),
        lambda: RegistryJob(lab, shape, ["aggregates", "landing"]),
    ]
    return {"rows": rounds(lab, options, makes)}


def alerts(lab: Lab, options: Options) -> Row:
    """Price alerts of few symbols and of many."""
    rows = []
    for symbols in (100, 5_000):
        shape = replace(options.shape, symbols=symbols, kind="moves")
        made = _alone(lab, replace(options, shape=shape), "alerts")
        rows += [{**row, "task": f"alerts, {symbols:,} symbols"} for row in made]
    return {"rows": rows}


def orderbook(lab: Lab, options: Options) -> Row:
    """Order books; one for ten records, as each is many times as long."""
    shape = replace(options.shape, events=options.shape.events // 10, kind="books")
    return {"rows": _alone(lab, replace(options, shape=shape), "orderbook")}


def _alone(lab: Lab, options: Options, job: str) -> list[Row]:
    """Run one job of the registry, with how many results it has."""
    shape = options.shape
    rows = rounds(lab, options, [lambda: RegistryJob(lab, shape, [job])])
    results = RegistryJob(lab, shape, [job]).expected()
    return [{**row, "results": results} for row in rows]


def peers(lab: Lab, options: Options) -> Row:
    """Other engines on one-minute windows and on routing, beside the workbench."""
    shape = options.shape
    makes: list[Make] = [
        lambda: RegistryJob(lab, shape, ["aggregates"]),
        lambda: OwnMinutes(lab, shape),
        lambda: PlainMinutes(lab, shape),
        lambda: RegistryJob(lab, shape, ["router"]),
    ]
    versions, missing = {}, {}
    for program in PROGRAMS:
        try:
            versions[program.name] = f"{program.package} {version(lab, program)}"
        except Exception as error:
            said = getattr(error, "stderr", "") or str(error)
            missing[program.name] = said.strip().splitlines()[-1] if said.strip() else "no reason"
            continue
        makes += [
            lambda program=program, task=task: Peer(lab, shape, program, task)  # type: ignore[misc]
            for task in program.tasks
        ]
    makes = [make for make in makes if re.search(options.only, make().name)]
    rows = rounds(lab, options, makes)
    killed = [make for make in makes if options.kills and _can_be_killed(make())]
    survivals = [survive(lab, make()) for make in killed]  # type: ignore[arg-type]
    return {"rows": rows, "survivals": survivals, "versions": versions, "missing": missing}


def _can_be_killed(engine: RegistryJob | SqlJob | Peer) -> bool:
    # What is called the workbench's has to show it; the SQL beside it is not offered to anybody.
    return engine.name == "workbench" or (isinstance(engine, Peer) and engine.task != "consume")


def checkpoint(lab: Lab, options: Options) -> Row:
    """State and duration of the checkpoints of 10,000 symbols."""
    shape = replace(options.shape, symbols=10_000)
    lab.preload(shape)
    job = FlinkJob(
        lab, shape, f"checkpoint-{lab.stamp()}", ["aggregates"], checkpoint_interval_ms=1_000
    )
    job.prepare()
    job.start()
    try:
        job.wait_until_read()
        summary = job.cluster.checkpoints(job.ids["aggregates"])["summary"]
    finally:
        job.end()
    durations, sizes = summary["end_to_end_duration"], summary["state_size"]
    row = {
        "symbols": shape.symbols,
        "events": shape.total,
        "checkpoints": job.cluster.checkpoints(job.ids["aggregates"])["counts"]["completed"],
        "duration_p50_ms": durations["p50"],
        "duration_max_ms": durations["max"],
        "state_bytes": sizes["max"],
    }
    return {"rows": [row]}


def growth(lab: Lab, options: Options) -> Row:
    """More slots, more symbols, more partitions."""
    base = options.shape
    cases: list[tuple[str, int, Shape, dict[str, object]]] = []
    cases += [("slots", n, replace(base, partitions=4), {"parallelism": n}) for n in options.slots]
    cases += [("symbols", n, replace(base, symbols=n), {}) for n in (100, 1_000, 10_000)]
    cases += [("partitions", n, replace(base, partitions=n), {}) for n in (1, 2, 4, 8, 16)]
    for _, _, shape, _ in cases:
        lab.preload(shape)
    rows = []
    for number in range(options.repeats + 1):
        for along, value, shape, flink in cases:
            make: Make = lambda shape=shape, flink=flink: RegistryJob(  # type: ignore[misc]  # noqa: E731
                lab, shape, ["aggregates"], **flink
            )
            if number == 0 and (along, value) != ("slots", options.slots[0]):
                continue
            row = run_one(lab, shape, make, "warm" if number else "unmeasured")
            if number:
                rows.append({**row, "along": along, "value": value})
    return {"rows": rows}


def latency(lab: Lab, options: Options) -> Row:
    """The way of a record through the router, Kafka to Kafka."""
    return live.latency(lab, options.seconds)


def recovery(lab: Lab, options: Options) -> Row:
    """From the kill of a TaskManager to new output."""
    return live.recovery(lab, options.repeats)


def workbench(lab: Lab, options: Options) -> Row:
    """What an analyst waits for, with Polars and pandas beside; ten rows for each record."""
    shape = options.shape
    return desk(lab.folder, 10 * shape.total, shape.symbols, max(3, options.repeats), lab.progress)


def report(lab: Lab, options: Options) -> Row:
    """What a report costs beside its queries; one execution for twenty records."""
    with tempfile.TemporaryDirectory() as folder:
        return reports.measure(
            Path(folder), options.shape.total // 20, max(3, options.repeats), lab.progress
        )


#: Suites of the reading side: no broker and no cluster runs.
WITHOUT_STACK = ("workbench", "report")
SUITES: dict[str, Callable[[Lab, Options], Row]] = {
    "router": router,
    "aggregates": aggregates,
    "landing": landing,
    "alerts": alerts,
    "orderbook": orderbook,
    "peers": peers,
    "latency": latency,
    "recovery": recovery,
    "growth": growth,
    "checkpoint": checkpoint,
    "workbench": workbench,
    "report": report,
}
