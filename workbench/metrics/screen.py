"""The state of everything as one screen of text, and as plain values for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from workbench.contracts import TABLES
from workbench.lake.times import show_span
from workbench.metrics.lake import ALERTS, DEAD_LETTERS, LATE_ROWS, TableView

if TYPE_CHECKING:
    from workbench.metrics.collect import State
    from workbench.metrics.look import Look
    from workbench.stack.health import StackStatus

#: A market table that is behind Kafka by less is fresh: three checkpoints of the default interval.
FRESH_SECONDS = 90.0
#: One that is behind by less is degraded, by more stale.
DEGRADED_SECONDS = 600.0
COUNTED = {"dead letters": DEAD_LETTERS, "late rows": LATE_ROWS, "alerts": ALERTS}
Row = Sequence[str]


@dataclass(frozen=True)
class Screen:
    """What `workbench status` shows: tables of text with their headings, then lines."""

    parts: tuple[Row, ...]
    jobs: tuple[Row, ...]
    tables: tuple[Row, ...]
    lines: tuple[str, ...]


PART_COLUMNS = ("part", "state", "address", "note")
JOB_COLUMNS = ("job", "state", "up", "records/s", "lag", "last checkpoint", "restarts")
TABLE_COLUMNS = ("table", "rows", "files", "last commit", "newest event", "behind Kafka", "state")


def freshness(behind_s: float | None) -> str | None:
    """Return ``fresh``, ``degraded`` or ``stale``; None where it is not known.

    Examples
    --------
    >>> [freshness(seconds) for seconds in (0, 90, 600, None)]
    ['fresh', 'degraded', 'stale', None]
    """
    if behind_s is None:
        return None
    if behind_s < FRESH_SECONDS:
        return "fresh"
    return "degraded" if behind_s < DEGRADED_SECONDS else "stale"


def size(count: float) -> str:
    """Return a number of bytes, short.

    >>> size(900), size(38_014), size(5e9)
    ('900 B', '38 kB', '5.0 GB')
    """
    if count < 1_000:
        return f"{count:.0f} B"
    for unit in ("kB", "MB"):
        count /= 1_000
        if count < 1_000:
            return f"{count:.0f} {unit}"
    return f"{count / 1_000:.1f} GB"


def totals(state: State) -> dict[str, int | None]:
    """Return how many dead letters, late rows and alerts there are; None where it is not known."""
    rows = {table.name: table.rows if table.exists else None for table in state.tables}
    known = {table.name for table in TABLES}
    return {what: rows.get(name) for what, name in COUNTED.items() if name in known}


def screen(state: State, stack: StackStatus, look: Look | None) -> Screen:
    """Return what is shown of a state; `look` is what was seen last."""
    return Screen(
        tuple((part.part, part.state, part.address, part.note) for part in stack.parts),
        tuple(_job(state, job.name) for job in state.jobs),
        tuple(_table(state, table) for table in state.tables),
        (*_problems(state), *_growth(state, look)),
    )


def _job(state: State, name: str) -> Row:
    job = next(job for job in state.jobs if job.name == name)
    lag = state.lag(name)
    checkpoint = "-"
    if job.checkpoint_at is not None:
        took = job.metrics.get("lastCheckpointDuration", 0.0)
        checkpoint = (
            f"{_ago(state, job.checkpoint_at)}, {took:,.0f} ms, "
            f"{size(job.metrics.get('lastCheckpointSize', 0.0))}"
        )
    return (
        name,
        job.state,
        show_span(job.uptime_s),
        "-" if job.records_per_s is None else f"{job.records_per_s:,.0f}",
        "-" if lag is None else f"{lag:,}",
        checkpoint,
        "-" if job.restarts is None else str(job.restarts),
    )


def _table(state: State, table: TableView) -> Row:
    if not table.exists:
        known = "broken" if table.problem else "absent"
        return (table.name, *["-"] * 5, "unknown" if "lake" in state.problems else known)
    behind = state.behind_s(table)
    return (
        table.name,
        f"{table.rows:,}",
        f"{table.files:,}",
        _ago(state, table.committed_at),
        _ago(state, table.newest_event),
        show_span(behind),
        freshness(behind) or "-",
    )


def _ago(state: State, moment: datetime | None) -> str:
    if moment is None:
        return "-"
    seconds = (state.at - moment).total_seconds()
    return f"{show_span(seconds)} ago" if seconds >= 0 else f"in {show_span(-seconds)}"


def _problems(state: State) -> list[str]:
    lines = [f"{part}: {problem}" for part, problem in state.problems.items()]
    lines += [table.problem for table in state.tables if table.problem]
    return lines + [f"{job.name}: {job.problem}" for job in state.jobs if job.problem]


def _growth(state: State, look: Look | None) -> list[str]:
    shown = []
    for what, total in totals(state).items():
        if total is None:
            shown.append(f"{what} -")
            continue
        before = look.totals.get(what) if look else None
        grown = "" if before is None else f" ({total - before:+,})"
        shown.append(f"{what} {total:,}{grown}")
    since = f" (since the last look, {_ago(state, look.at)})" if look else ""
    return [" · ".join(shown) + since]


def as_dict(state: State, stack: StackStatus, look: Look | None) -> dict[str, Any]:
    """Return everything that is shown, and more, as plain values."""
    before = look.totals if look else {}
    return {
        "at": state.at,
        "problems": state.problems,
        "stack": [asdict(part) for part in stack.parts],
        "jobs": [
            {
                "job": job.name,
                "state": job.state,
                "uptime_s": job.uptime_s,
                "records_per_s": job.records_per_s,
                "lag": state.lag(job.name),
                "last_checkpoint_at": job.checkpoint_at,
                "last_checkpoint_ms": job.metrics.get("lastCheckpointDuration"),
                "last_checkpoint_bytes": job.metrics.get("lastCheckpointSize"),
                "restarts": job.restarts,
                "problem": job.problem,
            }
            for job in state.jobs
        ],
        "tables": [
            {
                **asdict(table),
                "behind_kafka_s": state.behind_s(table),
                "freshness": freshness(state.behind_s(table)),
            }
            for table in state.tables
        ],
        "counts": {
            what: {
                "total": total,
                "since_last_look": None
                if total is None or before.get(what) is None
                else total - int(before.get(what) or 0),
            }
            for what, total in totals(state).items()
        },
        "last_look": look.at if look else None,
    }
