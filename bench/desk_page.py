"""The section of the page on what an analyst waits for."""

from __future__ import annotations

from statistics import median
from typing import Any

from bench.stats import ratio

Row = dict[str, Any]
#: Most seconds a person should wait, by the beginning of the task.
WAITS = {"workbench --help": 0.3, "workbench top": 1.5, "session on": 1.0}
#: What a question is held against, and what its column is called.
BESIDE = {"the same SQL over read_parquet": "SQL by hand", "Polars": "Polars", "pandas": "pandas"}
_COMMANDS = """\
Seconds a person waits, on a table of {events:,} trades over ten days; every command is a new \
process. Python and the workbench itself are in the page cache, as on any machine in use: a first \
run of each does not count. So are the lake's files, unless a line says that they are not: there \
catalog, metadata and data were taken out of it before each run and come from the disk. A goal is \
held against the slowest line."""
_QUESTIONS = """\
Questions of an open session, files in the page cache. By hand is the same SQL in plain DuckDB \
over `read_parquet` of the same files, with the same settings. Polars and pandas compute the same \
answer from these files, money in floats, where the question is of the trades alone. In brackets: \
how many times the workbench's time that is. All answers are compared before a time counts."""


def section(content: Row) -> list[str]:
    """Return the section of the page."""
    from bench.page import grouped, spread, table

    rows = content["rows"]
    tasks = {task: of_task for (task,), of_task in grouped(rows, "task").items()}
    waits = {task: of_task for task, of_task in tasks.items() if _most_seconds(task)}
    questions = {task: of_task for task, of_task in tasks.items() if task not in waits}
    lines = [
        (task, row["engine"], "wrong answer" if row["wrong"] else spread(row["seconds"], 3))
        for task, of_task in waits.items()
        for row in of_task
    ]
    parts = [
        _COMMANDS.format(events=rows[0]["events"]),
        table(("task", "how", "seconds: median (min to max)"), lines),
        _QUESTIONS,
        table(
            ("question", "workbench", *BESIDE.values()),
            [_beside(task, of_task) for task, of_task in questions.items()],
        ),
    ]
    goals = [_wait(task, of_task) for task, of_task in waits.items()]
    goals += [_by_hand(task, of_task) for task, of_task in questions.items()]
    return [*parts, "\n".join(goals)]


def _beside(task: str, rows: list[Row]) -> list[str]:
    """A question: seconds of the workbench, and of others with the ratio."""
    from bench.page import spread

    by_engine = {row["engine"]: row for row in rows}
    own = median(rows[0]["seconds"])
    cells = [task, f"{spread(rows[0]['seconds'], 3)} s"]
    for engine in BESIDE:
        row = by_engine.get(engine)
        if row is None:
            cells.append("-")
        elif row["wrong"]:
            cells.append("wrong answer")
        else:
            found = median(row["seconds"])
            cells.append(f"{found:,.3f} s ({found / own:,.2f})")
    return cells


def _most_seconds(task: str) -> float | None:
    return next((most for name, most in WAITS.items() if task.startswith(name)), None)


def _wait(task: str, rows: list[Row]) -> str:
    from bench.page import verdict

    most = _most_seconds(task)
    assert most is not None, task
    slowest = max(median(row["seconds"]) for row in rows)
    return verdict(slowest, f"Goal: {task}, at most {most} s", most, at_most=True)


def _by_hand(task: str, rows: list[Row]) -> str:
    from bench.page import verdict

    hand = next((median(r["seconds"]) for r in rows if "read_parquet" in r["engine"]), None)
    share = ratio(median(rows[0]["seconds"]), hand)
    return verdict(share, f"Goal: {task}, at most 1.3 times the SQL by hand", 1.3, at_most=True)
