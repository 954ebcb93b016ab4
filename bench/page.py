"""docs/benchmarks.md and its pictures, from results alone: the same results give the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bench import desk_page, report
from bench.records import TRADED
from bench.stats import middle, ratio

Row = dict[str, Any]

INTRO = """\
# Benchmarks

Written by `python -m bench publish` from [benchmarks.json](benchmarks.json); [bench/README.md](../bench/README.md)
says what is measured and how. Numbers of one section come from one run on one machine, with broker, cluster and load
on the same cores: compare within a section. A rate counts only where the answer equals the DuckDB definition row by
row; otherwise the row says WRONG. Times are the middle of the repeats, with the smallest and the largest.

- **events/s**: from the first record that the broker sends to the last result in Kafka.
- **CPU s/M**: user and system CPU seconds of the engine's processes for a million events, until the last result is
  committed. For Flink these are TaskManager and JobManager; the broker's are in a column of their own.
- **first** is a job's first run in a fresh TaskManager; **warm** are later runs in the same TaskManager, which has run
  the job once before. Other engines start a **fresh** process each time.
- **start-up** is from submission to the first record, and is in no other column.
"""


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table, the first column to the left, the others to the right."""
    lines = [columns, [":---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def spread(values: Sequence[float | None], digits: int = 1) -> str:
    """Return the middle with smallest and largest, or what is there.

    Examples
    --------
    >>> spread([3.14159, 1.0, 2.0]), spread([5.0]), spread([None])
    ('2.0 (1.0 to 3.1)', '5.0', '-')
    """
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    found = middle(known)
    if len(known) == 1:
        return f"{known[0]:,.{digits}f}"
    return (
        f"{found['median']:,.{digits}f} ({found['min']:,.{digits}f} to {found['max']:,.{digits}f})"
    )


def grouped(rows: Iterable[Row], *keys: str) -> dict[tuple[Any, ...], list[Row]]:
    """Return rows by the values of some keys, in the order these first appear."""
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row.get(key) for key in keys), []).append(row)
    return found


def median_of(rows: Iterable[Row], key: str) -> float | None:
    """Return the middle of a value over the rows that have one; None where none has."""
    values = [row[key] for row in rows if row.get(key) is not None]
    return middle(values)["median"] if values else None


def engines(rows: list[Row]) -> str:
    """Return the table of engines: one line for the first run, one for the warm ones."""
    lines = []
    keys = ("engine", "task", "durability", "run")
    for (engine, task, durability, run), group in grouped(rows, *keys).items():
        name = f"{engine}: {task}<br>{durability}"
        wrong = [row["wrong"] for row in group if row["wrong"]]
        if wrong:
            lines.append([name, run, "WRONG", "WRONG", "-", "-", "-"])
            continue
        lines.append(
            [
                name,
                run if len(group) == 1 else f"{run}, {len(group)} runs",
                spread([row["rate"] for row in group], 0),
                spread([row["cpu_per_million"] for row in group]),
                spread([row["late_cpu_per_million"] for row in group]),
                spread([row["broker_cpu_s"] * 1e6 / row["events"] for row in group]),
                spread([row["startup_s"] for row in group])
                + f" s, {median_of(group, 'startup_cpu_s') or 0:.1f} CPU s",
            ]
        )
    columns = ("engine: task, durability", "run", "events/s", "CPU s/M", "of the second half")
    return table((*columns, "broker CPU s/M", "start-up"), lines)


def wrong_answers(rows: Iterable[Row]) -> str:
    """Return a list of the answers that were wrong; empty where none was."""
    said = [
        f"- WRONG, {r['engine']}, {r['task']}, {r['run']}: {r['wrong']}" for r in rows if r["wrong"]
    ]
    return "\n".join(said)


def _warm(rows: Iterable[Row], engine: str, task: str, durability: str = "") -> list[Row]:
    return [
        row
        for row in rows
        if (row["engine"], row["task"], row["run"]) == (engine, task, "warm")
        and durability in row["durability"]
        and not row["wrong"]
    ]


def percent(value: float | None) -> str:
    """Return a share as text.

    >>> percent(0.914), percent(None)
    ('91 %', 'not measured')
    """
    return "not measured" if value is None else f"{100 * value:.0f} %"


def verdict(value: float | None, text: str, goal: float, *, at_most: bool, why: str = "") -> str:
    """Return a goal as a line: what was measured, whether it is met, how far off and why if not.

    Examples
    --------
    >>> verdict(9.0, "Goal: at most 8 s", 8, at_most=True, why="The clock is slow.")
    '- Goal: at most 8 s: **9**, NOT met: 1.12 times as much. The clock is slow.'
    >>> verdict(52_000, "Goal: 50,000 a second", 50_000, at_most=False)
    '- Goal: 50,000 a second: **52,000**, met.'
    """
    if value is None:
        return f"- {text}: not measured."
    found = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    if value <= goal if at_most else value >= goal:
        return f"- {text}: **{found}**, met."
    off = f"{value / goal:.2f} times as much" if at_most else f"{percent(value / goal)} of it"
    return f"- {text}: **{found}**, NOT met: {off}. {why}".rstrip()


def router(content: Row) -> list[str]:
    rows = content["rows"]
    own = _warm(rows, "workbench", "router", "exactly-once")
    plain = _warm(rows, "Flink pass-through", "router")
    share = ratio(median_of(own, "rate"), median_of(plain, "rate"))
    cpu = ratio(median_of(own, "cpu_per_million"), median_of(plain, "cpu_per_million"))
    return [
        "Every event to the topic of its status, byte for byte, keyed by its order; beside it the same Flink that "
        "passes key and value through without a look at them, with the same settings of source and sink.",
        engines(rows),
        verdict(median_of(own, "rate"), "Goal: more than 50,000 events/s", 50_000, at_most=False)
        + "\n"
        + verdict(
            share,
            "Goal: 0.9 of the rate of the pass-through",
            0.9,
            at_most=False,
            why="What the strict reading of every field and the choice of topic and key cost comes on top.",
        )
        + f" CPU: {percent(cpu)} of the pass-through's.\n"
        + verdict(
            median_of(own, "cpu_per_million"), "Goal: warm, at most 10 CPU s/M", 10, at_most=True
        ),
    ]


def aggregates(content: Row) -> list[str]:
    rows = content["rows"]
    own = _warm(rows, "workbench", "aggregates")
    return [
        "`aggregates` is three windows with exact decimals, open and close by event time, late rows kept apart, into "
        "Kafka and Iceberg; the workbench's `minutes` is its first window alone, into Kafka only. Beside them the SQL "
        "anybody would write first: one window, Flink's own JSON format, open and close by arrival, into Kafka only.",
        engines(rows),
        verdict(median_of(own, "rate"), "Goal: 70,000 events/s in a slot", 70_000, at_most=False)
        + "\n"
        + verdict(
            median_of(own, "cpu_per_million"),
            "Goal: warm, at most 8 CPU s/M",
            8,
            at_most=True,
            why="A run of so few events still compiles: Java makes machine code of each job's generated classes anew, "
            "and some 50,000 result rows are written twice, whatever the number of events.",
        ),
    ]


def landing(content: Row) -> list[str]:
    rows = content["rows"]
    alone = _warm(rows, "workbench", "aggregates")
    both = _warm(rows, "workbench", "aggregates+landing")
    share = ratio(median_of(both, "rate"), median_of(alone, "rate"))
    more = ratio(median_of(both, "cpu_per_million"), median_of(alone, "cpu_per_million"))
    return [
        "Two jobs at once, each in a slot of its own, each reading the topic by itself.",
        engines(rows),
        verdict(
            share,
            "Goal: more than 0.7 of the rate without landing",
            0.7,
            at_most=False,
        )
        + f" CPU: {'not measured' if more is None else f'{more:.2f} times'} that without. Landing is a job of its own, "
        "which can be stopped and upgraded alone: it reads and checks every record once more, and writes every one to "
        "Parquet, where windows are one row for hundreds.",
    ]


def alerts(content: Row) -> list[str]:
    rows = content["rows"]
    lines = []
    for symbols, goal in ((100, 30_000), (5_000, 15_000)):
        own = _warm(rows, "workbench", f"alerts, {symbols:,} symbols", "exactly-once")
        rate = median_of(own, "rate")
        lines.append(
            verdict(
                None if rate is None else float(f"{TRADED * rate:.4g}"),
                f"Goal, {symbols:,} symbols: at least {goal:,} events with a price/s in a slot",
                goal,
                at_most=False,
            )
        )
    counts = ", ".join(
        f"{group[0].get('results', 0):,} ({task})"
        for (task,), group in grouped(rows, "task").items()
    )
    return [
        "Trades whose prices move by the 2 % of an alert again and again, into Kafka and Iceberg; the rows of the table and "
        "the messages of the topic are compared, whole, with a state machine in plain Python. A record without an "
        f"execution is read and counted, but has no price: {100 * TRADED:.0f} % have one, and the goals count these alone. "
        f"Alerts: {counts}.",
        engines(rows),
        "\n".join(lines),
    ]


def orderbook(content: Row) -> list[str]:
    rows = content["rows"]
    own = _warm(rows, "workbench", "orderbook", "exactly-once")
    cost = median_of(own, "cpu_per_million")
    return [
        f"{rows[0]['events']:,} books of 20 levels a side, some 1.4 KB each; every one has a row of metrics in Iceberg and a "
        "message in Kafka, which are compared, whole, with the definition. An event is a book.",
        engines(rows),
        verdict(
            median_of(own, "rate"),
            "Goal: at least 5,000 books/s in a slot",
            5_000,
            at_most=False,
        )
        + ("" if cost is None else f" For a CPU second: {1e6 / cost:,.0f} books."),
    ]


def peers(content: Row) -> list[str]:
    rows = content["rows"]
    survivals = content["survivals"]
    lines = [
        [
            f"{row['engine']}: {row['task']}",
            row.get("wrong") or f"{row['lost']:,}",
            "-" if row.get("wrong") else f"{row['doubled']:,}",
            "-" if row.get("wrong") else f"{row['seconds']:.1f} s",
        ]
        for row in survivals
    ]
    versions = ", ".join(sorted(set(content["versions"].values())))
    parts = [
        "`minutes` is open, high, low, close, volume and VWAP of executions by symbol and minute, event time; `route` "
        "is routing by status. Each engine runs with one worker, at the best setting known for it: large fetches, "
        "`fetch.queue.backoff.ms=5` for librdkafka, batches of records where its interface has them, orjson. Sums may "
        "be doubles there (compared to 1e-9); the workbench's are exact, and it reads strictly. Its `minutes` are those "
        "of `aggregates` alone, which computes two more windows, keeps late rows apart and writes Iceberg besides. "
        f"Versions: {versions}. pathway is under the Business Source Licence: it is run here, "
        "nothing of it is part of the project.",
        engines(rows),
    ]
    if lines:
        parts += [
            "Killed with `kill -9` when 0.4 of the results were written, and started again. *Lost* are results that are "
            "missing or wrong at the end, *doubled* are messages beyond one for each result, which is harmless where a "
            "later one replaces the earlier. Of Flink the TaskManager is killed, which holds the job; its JobManager goes "
            "on, as it would on a cluster. Other engines are one process, and all of it is killed:",
            table(("engine: task", "lost", "doubled", "until complete"), lines),
        ]
    missing = content.get("missing", {})
    if missing:
        parts.append("\n".join(f"- not installed, {name}: {why}" for name, why in missing.items()))
    for task, own in (("minutes", "minutes"), ("minutes", "aggregates"), ("route", "router")):
        here = _warm(rows, "workbench", own, "exactly-once")
        suite = "aggregates" if own == "minutes" else own
        elsewhere = content.get("others", {}).get(suite, {}).get("rows", [])
        if not here and _warm(elsewhere, "workbench", own, "exactly-once"):
            parts.append(
                f"The workbench did not run beside these: `{own}` is the middle of its warm runs above, of another run "
                "with more events. Read the ratios as orders of magnitude."
            )
            here = _warm(elsewhere, "workbench", own, "exactly-once")
        parts.append(ahead(rows, here, survivals, task, own))
    return parts


def ahead(rows: list[Row], here: list[Row], survivals: list[Row], task: str, own: str) -> str:
    """Say who is ahead of the workbench in events per CPU second, and who is behind."""
    cost = median_of(here, "cpu_per_million")
    lost = {row["engine"]: row.get("lost") for row in survivals if row["task"] == task}
    said = []
    theirs_alone = [r for r in rows if r["task"] == task and r["engine"] != "workbench"]
    for (engine,), group in grouped(theirs_alone, "engine").items():
        theirs = median_of(
            [r for r in group if r["run"] != "first" and not r["wrong"]], "cpu_per_million"
        )
        times = ratio(theirs, cost)
        if times is None:
            continue
        if engine not in lost:
            which = f"which was not killed here ({group[0]['durability']})"
        elif lost[engine] == 0:
            which = "which survives a kill without loss"
        else:
            which = "which does not survive a kill without loss"
        place = (
            f"costs {times:.2f} times the CPU of"
            if times >= 1
            else f"is ahead of (takes {times:.2f} of the CPU of)"
        )
        said.append(f"- {task}: {engine}, {which}, {place} the workbench's `{own}`.")
    return "\n".join(said)


def growth(content: Row) -> list[str]:
    rows = content["rows"]
    parts = []
    for (along,), group in grouped(rows, "along").items():
        lines = [
            [
                f"{value:,}",
                spread([row.get("rate") for row in of_value], 0),
                spread([row.get("cpu_per_million") for row in of_value]),
            ]
            for (value,), of_value in grouped(group, "value").items()
        ]
        parts += [
            f"![events per second along {along}](images/bench-{along}.svg)",
            table((along, "events/s", "CPU s/M"), lines),
        ]
    return parts


def pictures(results: Row) -> dict[str, str]:
    """Return the pictures of the page: name and SVG."""
    found = {}
    for (along,), group in grouped(results.get("growth", {}).get("rows", []), "along").items():
        points = [
            (f"{value:,}", median_of(of_value, "rate") or 0.0)
            for (value,), of_value in grouped(group, "value").items()
        ]
        found[f"bench-{along}.svg"] = bars(f"events per second by {along}", points)
    return found


def bars(title: str, points: Sequence[tuple[str, float]]) -> str:
    """Return a bar chart as SVG, readable on light and dark ground."""
    width, height, left, top, bottom = 560, 240, 16, 36, 28
    step = (width - 2 * left) / max(len(points), 1)
    largest = max([value for _, value in points] + [1.0])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{title}" font-family="sans-serif" font-size="13" fill="#808080">',
        f'<text x="{left}" y="20">{title}</text>',
    ]
    for number, (label, value) in enumerate(points):
        tall = (height - top - bottom - 16) * value / largest
        x, y = left + number * step + step * 0.15, height - bottom - tall
        middle_x = x + step * 0.35
        parts += [
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{step * 0.7:.1f}" height="{tall:.1f}" fill="#3b82c4"/>',
            f'<text x="{middle_x:.1f}" y="{y - 4:.1f}" text-anchor="middle">{value:,.0f}</text>',
            f'<text x="{middle_x:.1f}" y="{height - 10}" text-anchor="middle">{label}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def latency(content: Row) -> list[str]:
    lines = [
        [
            f"{row['delivery']}, {row['latency']}, {row['checkpoint_interval_ms']:,} ms",
            f"{row['rate']:,}",
            *(f"{row[name]:.0f}" for name in ("p50", "p99", "max")),
            f"{row['received']:,} of {row['sent']:,}",
            f"{row['load']:.1f}",
        ]
        for row in content["rows"]
    ]
    columns = (
        "delivery, latency, checkpoint interval",
        "events/s",
        "p50 ms",
        "p99 ms",
        "max ms",
        "received",
        "load average",
    )
    goals = [
        verdict(
            row["p99"],
            f"Goal, {row['delivery']} with checkpoints every {row['checkpoint_interval_ms']:,} ms, {row['rate']:,} "
            f"events/s: p99 of at most {row['goal']} ms",
            row["goal"],
            at_most=True,
            why="Other work ran on the machine meanwhile: see the load averages.",
        )
        for row in content["rows"]
        if row["goal"] is not None
    ]
    return [
        "From the moment a record was due to be sent until a consumer in another process, which reads committed "
        f"messages only, has its routed copy; {content['seconds']} s of it, after a warm-up at the same rate, in the "
        "order of the table in one TaskManager.",
        table(columns, lines),
        "\n".join(goals),
    ]


def recovery(content: Row) -> list[str]:
    columns = (
        "TaskManager killed",
        "a new one registered",
        "job runs",
        "first new output",
        "first record sent after the kill",
        "lost",
        "doubled",
        "load average",
    )
    rows = content["rows"]
    lines = [
        [
            row["what"],
            *(f"{row[key]:.1f} s" for key in ("registered_s", "running_s", "output_s", "fresh_s")),
            f"{row['lost']:,}",
            f"{row['doubled']:,}",
            f"{row['load']:.1f}",
        ]
        for row in rows
    ]
    goals = [
        verdict(
            median_of(group, "output_s"),
            f"Goal, {what}: less than 10 s to the first new output (middle)",
            10,
            at_most=True,
        )
        for (what,), group in grouped(rows, "what").items()
    ]
    return [
        f"The router under {content['rate']:,} events/s, exactly-once, checkpoints every second; `kill -9` of the "
        "TaskManager it runs in, and a new one is started at once, as `workbench stack up` does. *One of two*: "
        "`stack.taskmanagers = 2`, and another job in the other one. All times are from the kill; whether the job runs is "
        "looked at once the new one has registered.",
        table(columns, lines),
        "\n".join(goals),
    ]


def checkpoint(content: Row) -> list[str]:
    row = content["rows"][0]
    return [
        f"`aggregates` over {row['symbols']:,} symbols, a checkpoint every second, state on the heap; the largest of "
        f"{row['checkpoints']} checkpoints while it eats {row['events']:,} records.",
        table(
            ("symbols", "duration, middle", "duration, longest", "state", "bytes per symbol"),
            [
                [
                    f"{row['symbols']:,}",
                    f"{row['duration_p50_ms']:,.0f} ms",
                    f"{row['duration_max_ms']:,.0f} ms",
                    f"{row['state_bytes']:,}",
                    f"{row['state_bytes'] / row['symbols']:,.0f}",
                ]
            ],
        ),
        verdict(
            row["duration_p50_ms"],
            "Goal: a checkpoint in less than 1,000 ms (middle)",
            1000,
            at_most=True,
        )
        + f" The longest took {row['duration_max_ms']:,.0f} ms."
        + "\n"
        + verdict(
            row["state_bytes"] / row["symbols"],
            "Goal: less than 1,024 bytes of state per symbol",
            1024,
            at_most=True,
        ),
    ]


SECTIONS = {
    "workbench": ("At the desk", desk_page.section),
    "router": ("Router", router),
    "aggregates": ("Aggregates", aggregates),
    "landing": ("Landing besides", landing),
    "alerts": ("Price alerts", alerts),
    "orderbook": ("Order books", orderbook),
    "peers": ("Other engines", peers),
    "latency": ("Latency", latency),
    "recovery": ("Recovery", recovery),
    "growth": ("Growth", growth),
    "checkpoint": ("Checkpoints", checkpoint),
    "report": ("Reports", report.section),
}


def goals(parts: Iterable[str]) -> str:
    """Return how many goals of the sections are met, and those that are not.

    Examples
    --------
    >>> goals(["## Router", "- Goal: a: **2**, met.\\n- Goal: b: **3**, NOT met: 50 % of it. Why."])
    '1 of 2 goals are met. Missed:\\n\\n- Router, b: **3**, 50 % of it.'
    """
    title, count, missed = "", 0, []
    for line in "\n".join(parts).splitlines():
        if line.startswith("## "):
            title = line.removeprefix("## ")
        if line.startswith("- Goal") and "**, " in line:
            count += 1
            text, _, off = line.removeprefix("- Goal").lstrip(",: ").partition("NOT met: ")
            if off:
                missed.append(f"- {title}, {text}{off.partition('. ')[0].rstrip('.')}.")
    if not count:
        return ""
    met = f"{count - len(missed)} of {count} goals are met."
    return "\n".join([met + " Missed:\n", *missed]) if missed else met


def _pace(seconds: list[float] | None) -> str:
    """Say how fast the machine itself was; nothing of results that are older than this measure."""
    if not seconds:
        return ""
    before, after = seconds
    return (
        f"; five million additions in Python took {before:.2f} CPU s before and {after:.2f} behind"
    )


def run_of(content: Row) -> str:
    """Return on what, with what and how a suite was run."""
    machine, load = content["machine"], ", ".join(map(str, content["load"]))
    versions = ", ".join(f"{name} {number}" for name, number in content["versions"].items())
    note = content.get("note", "")
    return (
        f"`{content['command']}`, finished {content['finished']}: {machine['cores']} cores "
        f"({machine['processor']}), {machine['memory_gib']} GiB, {machine['system']}; load average at the end {load}"
        f"{_pace(content.get('pace_s'))}.\n"
        f"{versions}.{' ' if note else ''}{note}"
    )


def render(results: Row) -> str:
    """Return the page of some results.

    Parameters
    ----------
    results
        Suite by name, as `bench.results.gather` returns them.
    """
    parts = []
    for name, (title, section) in SECTIONS.items():
        if name not in results:
            continue
        content = results[name]
        wrong = wrong_answers(row for row in content["rows"] if "wrong" in row)
        parts += [
            f"## {title}",
            *section({**content, "others": results}),
            *([wrong] if wrong else []),
        ]
        parts.append(f"<sub>{run_of(content)}</sub>")
    return "\n\n".join(part for part in (INTRO.rstrip(), goals(parts), *parts) if part) + "\n"
