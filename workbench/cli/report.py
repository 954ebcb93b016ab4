"""``workbench report``: run a notebook as a validated report, list and show the runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from workbench.cli import report_runs, report_schedule
from workbench.cli.output import format_options, print_json, print_rows, progress
from workbench.cli.report_parameters import pairs
from workbench.errors import UsageError

if TYPE_CHECKING:
    from workbench.reports.parameters import ReportSpec
    from workbench.reports.runs import ReportRun


@click.group()
def command() -> None:
    """Run a notebook as a validated report; list, compare and repeat what was run."""


for each in (*report_runs.COMMANDS, *report_schedule.COMMANDS):
    command.add_command(each)


@command.command()
@click.argument("name")
@click.option("-p", "given", multiple=True, metavar="NAME=VALUE", help="A parameter of the report.")
@click.option(
    "--as-of",
    metavar="TIME",
    help="Events up to this moment, ISO 8601, UTC; a date means its end. The snapshots are the "
    "newest all the same: --as-of of `workbench sql` is the time of commits, this one is not. "
    "Short for -p as_of=...",
)
@click.option("--force", is_flag=True, help="Run it though nothing has changed since a kept run.")
@click.option("--wait", is_flag=True, help="Wait where the same report is being run already.")
@click.option("--require-fresh", is_flag=True, help="Run nothing on stale data: exit code 4.")
@click.option("--pdf", is_flag=True, help="Print the page as PDF, too; needs Chromium.")
@click.option("--cell-timeout", type=click.IntRange(min=1), help="Seconds one cell may take.")
@click.option("--timeout", type=click.IntRange(min=1), help="Seconds the whole may take.")
@format_options
def run(
    name: str,
    given: tuple[str, ...],
    as_of: str | None,
    force: bool,
    wait: bool,
    require_fresh: bool,
    pdf: bool,
    cell_timeout: int | None,
    timeout: int | None,
    form: str | None,
) -> None:
    """Run the report NAME on the newest snapshots and keep it under reports/.

    A run whose code, parameters, data and grade of freshness are unchanged is not run again: the
    earlier one is named, with how fresh its data is now.
    Exit code 3 when a check failed, 5 when a cell raised, 6 when the kernel died; the page is
    written first.

    \b
    Examples:
      workbench report run market_day
      workbench report run market_day -p top=5 --as-of 2024-08-09
      workbench report run market_day --require-fresh --pdf
    """
    from workbench.config import load_settings
    from workbench.reports.runner import run_report

    parameters = pairs(given)
    if as_of is not None:
        if "as_of" in parameters:
            raise UsageError("as_of is given twice", hint="use --as-of or -p as_of=...")
        parameters["as_of"] = as_of
    progress(f"running {name} ...")
    done = run_report(
        load_settings(),
        name,
        parameters,
        force=force,
        wait=wait,
        require_fresh=require_fresh,
        pdf=pdf,
        cell_timeout_s=cell_timeout,
        timeout_s=timeout,
    )
    told, now = done.summary, done.freshness or done.summary["freshness"]
    passed = len(told["checks"]) - len(done.failed_checks)
    row = {
        "run": done.id,
        "as_of": told["as_of"],
        "checks passed": f"{passed} of {len(told['checks'])}",
        "freshness": now["grade"],
        "page": str(done.pdf if pdf else done.html),
    }
    if form is not None:
        # For programs: what the lines below say to people.
        row |= {
            "committed up to": done.newest_commit,
            "cached": done.cached,
        }
    print_rows(tuple(row), [tuple(row.values())], form or "table")
    if form is None:
        click.echo(_two_clocks(done))
    if done.cached:
        click.echo(
            f"not run again: code, parameters and data are those of {done.id} (--force runs it)\n"
            f"{now['words']}",
            err=True,
        )
    done.raise_for_checks()


def _two_clocks(run: ReportRun) -> str:
    """Up to when events count, and up to when commits do: `--as-of` bounds the events."""
    from workbench.lake.times import parse_moment, show_moment

    events = show_moment(parse_moment(run.summary["as_of"]))
    commits = show_moment(run.newest_commit) if run.newest_commit else "no commit"
    return f"events up to {events}, in the snapshots committed up to {commits}"


@command.command("list")
@click.option("--parameters", is_flag=True, help="List what each report takes instead.")
@format_options
def list_command(parameters: bool, form: str | None) -> None:
    """List the reports and their kept runs, the newest first."""
    from workbench.config import load_settings
    from workbench.reports.registry import all_reports
    from workbench.reports.runs import list_runs

    settings = load_settings()
    specs = all_reports(settings)
    if parameters:
        rows = [(spec.name, *row) for spec in specs for row in _parameter_rows(spec)]
        print_rows(("report", *_PARAMETER_COLUMNS), rows, form or "table")
        return
    listed: list[tuple[str, ...]] = []
    runs = list_runs(settings)
    titles = {spec.name: spec.title for spec in specs}
    for name in sorted({*titles, *(run.summary["name"] for run in runs)}):
        own = [run for run in runs if run.summary["name"] == name]
        if not own:
            listed.append((name, titles[name], "", "", "never run", ""))
        for kept in own:
            told = kept.summary
            listed.append(
                (name, told["title"], kept.id, told["as_of"], told["verdict"], str(kept.html))
            )
    print_rows(("report", "title", "run", "as_of", "verdict", "page"), listed, form or "table")


_PARAMETER_COLUMNS = ("parameter", "type", "default", "meaning")


def _parameter_rows(spec: ReportSpec) -> list[tuple[str, str, Any, str | None]]:
    schema = spec.parameters.model_json_schema()["properties"]
    return [
        (name, _kind(schema[name]), field.default, field.description)
        for name, field in spec.parameters.model_fields.items()
    ]


def _kind(schema: dict[str, Any]) -> str:
    """A type of JSON schema in a few words: ``integer 1..50``, ``string or null``."""
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return " | ".join(str(one) for one in schema.get("enum", [schema.get("const")]))
    kind = str(schema.get("format") or schema.get("type", "any"))
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    low, high = schema.get("minimum", ""), schema.get("maximum", "")
    return f"{kind} {low}..{high}" if (low, high) != ("", "") else kind


def _digits(value: Any, form: str | None) -> Any:
    """A number of report.json with the digits people read; exact in every form for programs."""
    from decimal import Decimal, InvalidOperation

    from workbench.lake.table_text import for_people

    if form is not None or not isinstance(value, str | float):
        return value
    try:
        return for_people(Decimal(str(value)))
    except InvalidOperation:
        return value


@command.command()
@click.argument("run")
@click.option("--checks", "what", flag_value="checks", help="Only the checks.")
@click.option("--figures", "what", flag_value="figures", help="Only the figures.")
@click.option("--parameters", "what", flag_value="parameters", help="What the report takes.")
@click.option("--snapshots", "what", flag_value="snapshots", help="Only the pinned snapshots.")
@format_options
def show(run: str, what: str | None, form: str | None) -> None:
    """Show a RUN: its id, the start of one, or the name of a report for its newest run.

    With --parameters, RUN is the name of a report: what it takes.

    \b
    Examples:
      workbench report show market_day --checks
      workbench report show market_day~1
      workbench report show market_day --parameters
    """
    from workbench.config import load_settings
    from workbench.reports.registry import report_named
    from workbench.reports.runs import find_run

    if what == "parameters":
        taken = _parameter_rows(report_named(load_settings(), run))
        print_rows(_PARAMETER_COLUMNS, taken, form or "table")
        return
    if not run.strip():
        raise UsageError("RUN is empty", hint="`workbench report list` lists the runs")
    kept = find_run(load_settings(), run)
    told = kept.summary
    if what is None and form == "json":
        print_json(told)
        return
    if what is None:
        click.echo(f"{told['title']}  {told['run']}  as of {told['as_of']}  {told['verdict']}")
        click.echo(f"{kept.html}\n")
    if what in (None, "figures"):
        rows = [(f["name"], _digits(f["value"], form), f["unit"]) for f in told["figures"]]
        print_rows(("figure", "value", "unit"), rows, form or "table")
    if what is None:
        click.echo()
    if what in (None, "checks"):
        checks = [
            (
                c["name"],
                "passed" if c["passed"] else "FAILED",
                # All digits of one that has failed: the difference may be in the last.
                *(_digits(c[name], form if c["passed"] else "json") for name in ("value", "other")),
                c["source"],
            )
            for c in told["checks"]
        ]
        print_rows(("check", "verdict", "value", "other", "second path"), checks, form or "table")
    if what == "snapshots":
        sources = [
            (
                source["table"],
                source["snapshot"],
                source["rows"],
                "yes" if source["table"] in told["read"] else "",
                ", ".join(
                    f"{w['job'] or w['job_id']} @ {w['checkpoint']}" for w in source["writers"]
                ),
            )
            for source in told["sources"]
        ]
        columns = ("table", "snapshot", "rows", "read", "Flink job @ checkpoint")
        print_rows(columns, sources, form or "table")
