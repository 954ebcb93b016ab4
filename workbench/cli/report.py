"""``workbench report``: run a notebook as a validated report, list and show the runs."""

from __future__ import annotations

import click

from workbench.cli.output import format_options, print_json, print_rows, progress
from workbench.errors import UsageError


@click.group()
def command() -> None:
    """Run a notebook as a validated report; list and show what was run."""


def _pairs(given: tuple[str, ...]) -> dict[str, str]:
    parameters = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals:
            raise UsageError(f"-p {item!r} has no value", hint="write -p name=value")
        if name in parameters:
            raise UsageError(f"-p {name} is given twice", hint="give it once")
        parameters[name] = value
    return parameters


@command.command()
@click.argument("name")
@click.option("-p", "given", multiple=True, metavar="NAME=VALUE", help="A parameter of the report.")
@click.option("--as-of", help="Moment of event time the report is about; short for -p as_of=...")
@click.option(
    "--cell-timeout",
    type=click.IntRange(min=1),
    default=600,
    show_default=True,
    help="Seconds one cell may take.",
)
@format_options
def run(
    name: str, given: tuple[str, ...], as_of: str | None, cell_timeout: int, form: str | None
) -> None:
    """Run the report NAME on the newest snapshots and keep it under reports/.

    Exit code 3 when one of its checks failed, 5 when a cell raised; the page is written first.
    """
    from workbench.config import load_settings
    from workbench.reports.runner import run_report

    parameters = _pairs(given)
    if as_of is not None:
        if "as_of" in parameters:
            raise UsageError("as_of is given twice", hint="use --as-of or -p as_of=...")
        parameters["as_of"] = as_of
    progress(f"running {name} ...")
    done = run_report(load_settings(), name, parameters, cell_timeout_s=cell_timeout)
    checks = done.summary["checks"]
    passed = len(checks) - len(done.failed_checks)
    row = (done.summary["run"], done.summary["as_of"], f"{passed} of {len(checks)}", str(done.html))
    print_rows(("run", "as_of", "checks passed", "page"), [row], form or "table")
    done.raise_for_checks()


@command.command("list")
@click.option("--parameters", is_flag=True, help="List what each report takes instead.")
@format_options
def list_command(parameters: bool, form: str | None) -> None:
    """List the reports and their kept runs, the newest first."""
    from workbench.config import load_settings
    from workbench.reports.parameters import REPORTS
    from workbench.reports.runs import list_runs

    if parameters:
        rows = [
            (report.name, name, field.default, field.description)
            for report in REPORTS
            for name, field in report.parameters.model_fields.items()
        ]
        print_rows(("report", "parameter", "default", "meaning"), rows, form or "table")
        return
    settings = load_settings()
    listed: list[tuple[str, ...]] = []
    for report in REPORTS:
        runs = list_runs(settings, report.name)
        if not runs:
            listed.append((report.name, report.title, "", "", "never run", ""))
        for kept in runs:
            told = kept.summary
            listed.append(
                (
                    report.name,
                    report.title,
                    told["run"],
                    told["as_of"],
                    told["verdict"],
                    str(kept.html),
                )
            )
    print_rows(("report", "title", "run", "as_of", "verdict", "page"), listed, form or "table")


@command.command()
@click.argument("run")
@click.option("--checks", "what", flag_value="checks", help="Only the checks.")
@click.option("--figures", "what", flag_value="figures", help="Only the figures.")
@click.option("--snapshots", "what", flag_value="snapshots", help="Only the pinned snapshots.")
@format_options
def show(run: str, what: str | None, form: str | None) -> None:
    """Show a RUN: its id, the start of one, or the name of a report for its newest run."""
    from workbench.config import load_settings
    from workbench.reports.runs import find_run

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
        rows = [(f["name"], f["value"], f["unit"]) for f in told["figures"]]
        print_rows(("figure", "value", "unit"), rows, form or "table")
    if what is None:
        click.echo()
    if what in (None, "checks"):
        checks = [
            (c["name"], "passed" if c["passed"] else "FAILED", c["value"], c["other"], c["source"])
            for c in told["checks"]
        ]
        print_rows(("check", "verdict", "value", "other", "second path"), checks, form or "table")
    if what == "snapshots":
        print_rows(("table", "snapshot"), list(told["snapshots"].items()), form or "table")
