"""The statements of a job, ready to run: DDL from the contracts, then the job's own SQL text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from string import Template

from flink_jobs import ddl
from workbench.contracts import TABLES, Job
from workbench.contracts.records import (
    EXECUTIONS,
    ORIGINAL_VALUE_CHARACTERS,
    PREVIOUS_BOOK_MS,
    RULE_ERRORS,
    STATUSES,
)
from workbench.contracts.topics import DESERIALIZATION, PROCESSING_ERRORS, UNROUTABLE

HERE = Path(__file__).parent
_INTO_LAKE = re.compile(r"INSERT INTO `\w+`\.(\w+\.\w+)")
#: For jobs that report what they cannot read; of each topic, one does.
OWN_DEAD_LETTERS = HERE / "dead_letters.sql"


@dataclass(frozen=True)
class Statements:
    """What a job consists of, in the order it has to run."""

    #: Sources and sinks.
    tables: tuple[str, ...]
    views: tuple[str, ...]
    #: The inserts: one statement set, one Flink job.
    inserts: tuple[str, ...]


def _list(values: tuple[str, ...]) -> str:
    return ", ".join(ddl.quoted(value) for value in values)


def _values(mode: ddl.Mode, job: Job) -> dict[str, str]:
    deployment = mode.deployment
    return {
        "watermark": ddl.watermark(mode, "event_time"),
        "window_time": ddl.window_time(mode, "event_time"),
        "lake": deployment.catalog,
        "prefix": deployment.topic_prefix,
        "job": job.name,
        "statuses": _list(STATUSES),
        "executions": _list(EXECUTIONS),
        "rule_errors": _list(RULE_ERRORS),
        "known_statuses": ", ".join(STATUSES),
        "route": ddl.route_case(deployment, "status"),
        "unroutable": UNROUTABLE,
        "deserialization": DESERIALIZATION,
        "processing_errors": PROCESSING_ERRORS,
        "original_value_characters": str(ORIGINAL_VALUE_CHARACTERS),
        "allowed_lateness_s": str(ddl.ALLOWED_LATENESS_S),
        "symbols_uri": ddl.quoted(deployment.symbols_uri),
        "alert_rules": ddl.quoted(deployment.alert_rules),
        "previous_book_ms": str(PREVIOUS_BOOK_MS),
        "owned": ddl.relation(job.owns) if job.owns else "",
    }


def split(text: str) -> list[str]:
    """Return the statements of a SQL text, without comments.

    Examples
    --------
    >>> split("-- why\\nSELECT 1;\\nSELECT ';'; ")
    ['SELECT 1', "SELECT ';'"]
    """
    bare = re.sub(r"^\s*--.*$", "", text, flags=re.MULTILINE)
    parts = re.split(r";(?=(?:[^']*'[^']*')*[^']*$)", bare)
    return [part.strip() for part in parts if part.strip()]


def with_columns(insert: str) -> str:
    """Name the columns of a table of the lake that an insert fills, as its contract has them.

    A column that somebody adds to the table is then null, and no reason to refuse the job.

    Examples
    --------
    >>> with_columns("INSERT INTO `lake`.ops.late_rows\\nSELECT 1").splitlines()[0][:45]
    'INSERT INTO `lake`.ops.late_rows (`job`, `sym'
    """
    into = _INTO_LAKE.match(insert)
    known = {table.name: table for table in TABLES}
    if into is None or into.group(1) not in known:
        return insert
    columns = ", ".join(f"`{column.name}`" for column in known[into.group(1)].columns)
    return f"{into.group(0)} ({columns}){insert[into.end() :]}"


def statements(mode: ddl.Mode, job: Job) -> Statements:
    """Return the statements of a job over Kafka or over files.

    Parameters
    ----------
    mode
        What stands behind the names.
    job
        The job.
    """
    files = [HERE / job.name / f"{job.name}.sql"]
    if job.owns:
        files.append(OWN_DEAD_LETTERS)
    values = _values(mode, job)
    own = [
        statement
        for file in files
        for statement in split(Template(file.read_text("utf-8")).substitute(values))
    ]
    tables = [*(ddl.source(mode, job, topic) for topic in job.sources), *ddl.sinks(mode, job)]
    views = [view for topic in job.sources for view in ddl.records(mode, job, topic)]
    views += [s for s in own if not s.upper().startswith("INSERT")]
    inserts = [with_columns(s) for s in own if s.upper().startswith("INSERT")]
    return Statements(tuple(tables), tuple(views), tuple(inserts))
