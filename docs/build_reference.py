"""Write docs/reference/ from the commands and the contracts: ``make docs``.

The pages are derived, never edited: a test compares them with what this file would write.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import click

from docs.docstrings import page, parse
from workbench import figures, market
from workbench.cli import cli
from workbench.contracts import JOBS, RECORDS, TABLES, TOPICS, Field, Topic
from workbench.contracts.records import MAX_FUTURE_MS, MAX_NOTIONAL, ORIGINAL_VALUE_CHARACTERS
from workbench.contracts.tables import PROPERTIES
from workbench.contracts.topics import MAX_MESSAGE_BYTES, ROUTES
from workbench.lake.views import DERIVED

FOLDER = Path(__file__).parent / "reference"
HEAD = "<!-- Written by `make docs`; edit the source it is derived from. -->\n"
WIDTH = 96


def commands() -> Iterator[tuple[str, click.Command, click.Context]]:
    """Yield every command with its full name, groups before their commands."""
    yield from _below(cli, "workbench", None)


def _below(
    command: click.Command, name: str, parent: click.Context | None
) -> Iterator[tuple[str, click.Command, click.Context]]:
    # Click keeps the first help option it made: one of a command called alone has no -h.
    command._help_option = None
    context = click.Context(
        command, parent, name, terminal_width=WIDTH, max_content_width=WIDTH,
        **command.context_settings,
    )  # fmt: skip
    yield context.command_path, command, context
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            assert found is not None, child
            yield from _below(found, child, context)


def cli_page() -> str:
    """Return the page of all commands: what ``--help`` prints."""
    parts = [
        HEAD,
        "# Commands\n",
        "What `--help` prints, command by command. Rows go to standard output, progress to "
        "standard error\nand only on a terminal. `workbench --debug COMMAND` shows the traceback "
        "of an error.\n",
        "| exit code | meaning |\n| --- | --- |\n| 0 | done |\n| 1 | error |\n| 2 | usage: an "
        "argument or a setting cannot be used |\n| 3 | a check did not hold |\n| 4 | the newest "
        "data is too old |\n| 5 | a notebook stopped |\n| 6 | the kernel of a notebook died |\n"
        "| 124 | a statement took longer than it was given |\n| 130 | stopped with Ctrl-C |\n",
    ]
    for name, command, context in commands():
        level = "##" if name.count(" ") < 2 else "###"
        parts.append(f"{level} {name}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def contracts_page() -> str:
    """Return the page of the topics, records, tables and jobs."""
    parts = [
        HEAD,
        "# Contracts\n",
        "Derived from `workbench/contracts/`. Topics, tables, Flink DDL and this page come from "
        "the same values.\n",
        "## Jobs\n",
        _rows(
            ("job", "reads", "writes topics", "writes tables", "what it does"),
            (
                (f"`{j.name}`", _names(j.sources), _names(j.topics), _names(j.tables), j.doc)
                for j in JOBS
            ),
        ),
        "## Topics\n",
        "The profile `full` has the partitions of the table, `dev` at most two. "
        f"`cleanup.policy` is `delete`; a message may have {MAX_MESSAGE_BYTES // 2**20} MiB.\n",
        _rows(
            ("topic", "partitions", "days kept", "key", "value", "written by", "what it carries"),
            map(_topic, TOPICS),
        ),
        "The router sends each status to its topic: "
        + ", ".join(f"{status} to `{topic}`" for status, topic in ROUTES.items())
        + ".\n",
        "## Records\n",
        "Values are JSON objects. A decimal is a number or a string that holds one. Fields that "
        f"are not listed are ignored.\nAn event time may lie {MAX_FUTURE_MS // 60_000} minutes "
        "after its arrival, not more; quantity times price of a trade event is below "
        f"10^{len(str(MAX_NOTIONAL)) - 1}.\nA dead letter keeps the first "
        f"{ORIGINAL_VALUE_CHARACTERS:,} characters of the value. "
        "`workbench.contracts.records.avro_schema` gives each record as an Avro schema.\n",
    ]
    for record in RECORDS:
        carried = [topic.name for topic in TOPICS if topic.record is record]
        parts.append(f"### {record.name}\n")
        parts.append(f"{record.doc} Carried by {_names(carried)}.\n")
        parts.append(_fields("field", record.fields))
    parts.append("## Tables\n")
    parts.append(
        "Iceberg tables, partitioned by the UTC day of one column. Table properties: "
        + ", ".join(f"`{key}={value}`" for key, value in PROPERTIES.items())
        + ".\n"
    )
    for table in TABLES:
        parts.append(f"### {table.name}\n")
        parts.append(
            f"{table.doc}\n\nWritten by {_names(table.job.split(', '))}; partitioned by the day of "
            f"`{table.partition_by}`; sorted by {_names(table.sort_by)}.\n"
        )
        parts.append(_fields("column", table.columns))
    parts.append("## Views\n")
    parts.append("Views of a session over its pinned tables.\n")
    parts.append(_rows(("view", "reads"), ((f"`{v}`", f"`{t}`") for v, t in DERIVED.items())))
    return "\n".join(parts)


def _topic(topic: Topic) -> Sequence[object]:
    # A dead-letter topic is written by several jobs; a topic of a later job by none yet.
    writers = [job.name for job in JOBS if topic.name in job.topics]
    coming = topic.job is not None and not writers
    return (
        f"`{topic.name}`",
        topic.partitions,
        topic.retention_days,
        f"`{topic.key}`" if topic.key else "none",
        topic.record.name if topic.record else "not defined yet" if coming else "as it came",
        "no job yet" if coming else _names(writers) if writers else "from outside",
        topic.doc,
    )


def _fields(head: str, fields: Iterable[Field]) -> str:
    def about(field: Field) -> str:
        rules = [
            "above zero" if field.positive else "",
            "one of " + ", ".join(field.symbols) if field.symbols else "",
            "blanks cut, capital letters" if field.normalised else "",
            "moves the watermark" if field.event_time else "",
        ]
        return "; ".join(filter(None, [field.doc, *rules]))

    return _rows(
        (head, "type", "unit", "required", "meaning"),
        (
            (f"`{f.name}`", f.type.value, f.unit or "", "yes" if f.required else "no", about(f))
            for f in fields
        ),
    )


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _rows(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def questions_page() -> str:
    """Return the list of the questions."""

    def row(name: str) -> Sequence[object]:
        summary, _ = parse(inspect.getdoc(getattr(market, name)) or "")
        command = f"`workbench {COMMAND_OF[name]}`" if name in COMMAND_OF else ""
        return f"[`{name}`]({name}.md)", summary.split("\n\n")[0].replace("``", "`"), command

    return "\n".join(
        [
            HEAD,
            "# Questions\n",
            " ".join((inspect.getdoc(market) or "").split()).replace("``", "`") + "\n",
            "`Result.sql` shows the query of an answer and `Result.plot()` draws it; the last line "
            "of what is\nprinted names the snapshots that were read.\n",
            _rows(("question", "what it answers", "from a shell"), map(row, market.__all__)),
        ]
    )


#: The command that prints a question's answer.
COMMAND_OF = {
    "alert_outcomes": "alerts",
    "data_quality": "quality",
    "dead_letters": "quality dead-letters",
    "duplicates": "quality duplicates",
    "exposure_by_sector": "exposure [ACCOUNT]",
    "late_rows": "quality late",
    "missing_reference": "quality unknown",
    "order_rates": "orders",
    "portfolio": "portfolio ACCOUNT",
    "portfolio_history": "portfolio ACCOUNT --history 1d",
    "reconciliation": "quality flow",
    "sector_performance": "sectors",
    "spread_curve": "spread SYMBOL",
    "top_symbols": "top",
    "trading_gaps": "quality gaps",
    "volume_profile": "profile SYMBOL",
    "volume_vs_history": "volume SYMBOL",
    "vwap_curve": "vwap SYMBOL",
}


def question_page(name: str) -> str:
    """Return the page of one question: its docstring and its SQL."""
    folder = Path(inspect.getfile(market)).parent
    files = [folder / f"{file}.sql" for file in SPLIT.get(name, (name,))]
    parts = [HEAD, page(getattr(market, name), "workbench.market")]
    if name in COMMAND_OF:
        parts.append(f"From a shell: `workbench {COMMAND_OF[name]}`.\n")
    drawn = re.search(r'figure="(\w+)"', (folder / f"{name}.py").read_text("utf-8"))
    if drawn:
        parts.append("## Figure\n")
        parts.append(
            f"`.plot()` draws it with [`{drawn[1]}`](../figures/{drawn[1]}.md); here from a small "
            f"generated lake.\n\n![{name}, drawn by {drawn[1]}]"
            f"(../../images/figures/{drawn[1]}.png)\n"
        )
    parts.append("## SQL\n")
    parts.append("Values are bound to the names that begin with `$`.\n")
    parts += [f"```sql\n{file.read_text('utf-8').strip()}\n```\n" for file in files]
    return "\n".join(parts)


def figures_page() -> str:
    """Return the list of the figures, with a picture of each."""

    def row(name: str) -> Sequence[object]:
        shown = f"[![{name}](../../images/figures/{name}.png)]({name}.md)"
        return f"[`{name}`]({name}.md)", _shown_by(name), shown

    return "\n".join(
        [
            HEAD,
            "# Figures\n",
            (inspect.getdoc(figures) or "").replace("``", "`"),
            "\nThe pictures show a small generated lake, drawn by `python -m docs.build_figures`. "
            "How to show and\nkeep figures: [guide](../../guide.md#figures).\n",
            _rows(("figure", "what it shows", ""), map(row, figure_names())),
        ]
    )


def figure_page(name: str) -> str:
    """Return the page of one figure: its pictures and its docstring."""
    heading, *rest = page(getattr(figures, name), "workbench.figures").split("\n\n")
    shown = [
        f"![{name}, {'dark' if file.stem.endswith('-dark') else 'light'}. It shows "
        f"{_shown_by(name)}](../../images/figures/{file.name})"
        for file in pictures(name)
    ]
    return "\n\n".join([HEAD + "\n" + heading, *shown, *rest])


def _shown_by(name: str) -> str:
    summary, _ = parse(inspect.getdoc(getattr(figures, name)) or "")
    return " ".join(summary.split("\n\n")[0].removeprefix("Draw ").split())


def figure_names() -> list[str]:
    """Return the names of the functions that draw, in order."""
    return [name for name in figures.__all__ if name not in ("data_table", "figure_html")]


def pictures(name: str) -> list[Path]:
    """Return the pictures of a figure, the light one first."""
    folder = FOLDER.parent / "images" / "figures"
    both = (folder / f"{name}{end}.png" for end in ("", "-dark"))
    return [file for file in both if file.is_file()]


#: Questions of more than one query.
SPLIT = {name: (f"{name}_fills", f"{name}_marks") for name in ("portfolio", "portfolio_history")}
PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "contracts.md": contracts_page,
    "figures/README.md": figures_page,
    **{f"figures/{name}.md": partial(figure_page, name) for name in figure_names()},
    "questions/README.md": questions_page,
    **{f"questions/{name}.md": partial(question_page, name) for name in market.__all__},
}


def main() -> None:
    """Write the pages that differ."""
    for name, written in PAGES.items():
        file, text = FOLDER / name, written()
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
            print(f"written: docs/reference/{name}")


if __name__ == "__main__":
    main()
