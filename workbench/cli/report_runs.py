"""``workbench report``: what is done with kept runs; the other half is in `report`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.durations import Duration
from workbench.cli.output import format_options, print_json, print_rows, progress
from workbench.cli.report_parameters import pairs

if TYPE_CHECKING:
    from workbench.reports.compare import Comparison
    from workbench.reports.rerunning import Which

_JSON = click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")


@click.command()
@click.argument("run")
@click.option(
    "--notebook",
    type=click.Choice(["current", "as-run"]),
    default="current",
    show_default=True,
    help="The report's notebook as it is now, or as it was kept with the run.",
)
@click.option("--cell-timeout", type=click.IntRange(min=1), help="Seconds one cell may take.")
@click.option("--timeout", type=click.IntRange(min=1), help="Seconds the whole may take.")
@_JSON
def rerun(
    run: str, notebook: Which, cell_timeout: int | None, timeout: int | None, as_json: bool
) -> None:
    """Run a RUN once more on the snapshots it had, and compare number by number.

    Exit code 3 when a number is another one. Nothing is written.

    \b
    Examples:
      workbench report rerun market_day
      workbench report rerun 20240809T2 --notebook as-run
    """
    from workbench.config import load_settings
    from workbench.reports.rerunning import rerun as again

    progress(f"running {run} again ...")
    done = again(
        load_settings(), run, notebook=notebook, cell_timeout_s=cell_timeout, timeout_s=timeout
    )
    if as_json:
        print_json({"notebook": done.notebook, **done.comparison.as_json()})
    else:
        _show(done.comparison, everything=True)
    done.raise_for_changes()


@click.command()
@click.argument("before")
@click.argument("after", required=False)
@_JSON
def diff(before: str, after: str | None, as_json: bool) -> None:
    """Show which figures and tables of two runs differ, by how much, and what has changed.

    A run is its id, the start of one, the name of a report (its newest run) or NAME~1 (the one
    before). A name alone compares its two newest runs.

    \b
    Examples:
      workbench report diff market_day
      workbench report diff market_day~1 market_day
      workbench report diff 20240808T 20240809T --json
    """
    from workbench.config import load_settings
    from workbench.reports.compare import compare
    from workbench.reports.runs import find_run

    if after is None:
        before, after = f"{before}~1", before
    settings = load_settings()
    found = compare(find_run(settings, before).summary, find_run(settings, after).summary)
    if as_json:
        print_json(found.as_json())
    else:
        _show(found, everything=False)


def _show(found: Comparison, *, everything: bool) -> None:
    click.echo(f"{found.before} -> {found.after}")
    for one in found.data:
        click.echo(
            f"data        {one['table']}: {one['before'] or 'empty'} -> {one['after'] or 'empty'} "
            f"({_count(one['rows_before'])} -> {_count(one['rows_after'])} rows)"
        )
    for one in found.parameters:
        click.echo(f"parameter   {one['name']}: {one['before']} -> {one['after']}")
    for name in found.code:
        click.echo(f"code        {name}")
    for name in found.packages:
        click.echo(f"package     {name}")
    if not found.causes():
        click.echo("data, parameters, code and packages are the same")
    rows: list[tuple[Any, ...]] = [
        (c.kind, c.name, c.where, c.what, c.before, c.after, c.absolute, _percent(c.relative))
        for c in found.changes
    ]
    if everything:
        parts = (name.partition(" ") for name in found.identical)
        rows += [(kind, name, "", "identical", None, None, None, "") for kind, _, name in parts]
    click.echo()
    if rows:
        columns = ("kind", "name", "where", "what", "before", "after", "difference", "relative")
        print_rows(columns, rows, "table")
    count = len(found.identical)
    click.echo(f"{len(found.changes)} changed, {count} figures and tables identical")


def _count(rows: int | None) -> str:
    return "?" if rows is None else f"{rows:,}"


def _percent(relative: float | None) -> str:
    return "" if relative is None else f"{relative:+.4%}"


@click.command()
@click.argument("run")
@format_options
def check(run: str, form: str | None) -> None:
    """Check that a RUN is as it was: files, figures, checks and the tags of its snapshots.

    Exit code 3 when something is not.
    """
    from workbench.config import load_settings
    from workbench.reports.runs import find_run
    from workbench.reports.verify import raise_for_findings, verify

    settings = load_settings()
    kept = find_run(settings, run)
    findings = verify(settings, kept)
    rows = [(f.kind, f.name, "holds" if f.passed else "FAILED", f.detail) for f in findings]
    print_rows(("what", "name", "verdict", "detail"), rows, form or "table")
    raise_for_findings(kept, findings)


@click.command("open")
@click.argument("run")
def open_command(run: str) -> None:
    """Open the page of a RUN in the browser, and print where it is."""
    from workbench.config import load_settings
    from workbench.reports.runs import find_run

    page = find_run(load_settings(), run).html
    click.echo(str(page))
    # Where there is no browser the line above has to do.
    click.launch(page.resolve().as_uri())


@click.command()
@click.argument("name")
@click.argument("figure")
@click.option(
    "-p",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    help="Runs with this parameter, instead of those with the parameters of the newest run.",
)
@click.option("--all-runs", is_flag=True, help="Every run, not the newest of each as-of.")
@format_options
def trend(name: str, figure: str, given: tuple[str, ...], all_runs: bool, form: str | None) -> None:
    """Show a named FIGURE of the report NAME over its kept runs.

    Over the runs with the parameters of the newest one, or with those of -p; parameters by which
    these still differ are shown.

    \b
    Examples:
      workbench report trend market_day notional
      workbench report trend portfolio profit -p account_id=ACC-001
      workbench report trend market_day "volume of AAPL" --csv
    """
    from workbench.config import load_settings
    from workbench.reports.trends import trend as over_time

    found = over_time(load_settings(), name, figure, pairs(given), all_runs=all_runs)
    columns, rows = found.columns, found.rows()
    if form is None and not any(row[-1] for row in rows):
        # For people: no empty column.
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    print_rows(columns, rows, form or "table")
    if form is None:
        click.echo(found.caption, err=True)


@click.command()
@click.argument("name", required=False)
@click.option("--older-than", type=Duration(), help="Runs that began longer ago, for example 90d.")
@click.option(
    "--keep",
    type=click.IntRange(min=0),
    help="Newest runs that stay, of each report and its parameters (as-of apart).",
)
@click.option("--stray-tags", is_flag=True, help="Drop tags of runs that are not kept here, too.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, change nothing.")
@format_options
def prune(
    name: str | None,
    older_than: timedelta | None,
    keep: int | None,
    stray_tags: bool,
    dry_run: bool,
    form: str | None,
) -> None:
    """Drop old runs and the tags that they made, of the report NAME or of all.

    With both --older-than and --keep a run goes when it is old and not among the newest. Tags that
    people made stay. `workbench tables expire` then frees what nothing else needs.

    \b
    Examples:
      workbench report prune --older-than 90d --keep 20 --dry-run
      workbench report prune market_day --keep 5
    """
    from workbench.config import load_settings
    from workbench.reports.pruning import prune as drop

    done = drop(
        load_settings(),
        name,
        older_than=older_than,
        keep=keep,
        stray_tags=stray_tags,
        dry_run=dry_run,
    )
    rows = [(p.name, p.run, p.outcome, len(p.tables), p.bytes) for p in done]
    print_rows(("report", "run", "outcome", "tags", "bytes"), rows, form or "table")


@click.command()
@click.argument("name")
@click.option("--title", help="Title of the report; made from the name when left out.")
def new(name: str, title: str | None) -> None:
    """Write notebooks/NAME.ipynb: a report that runs at once and is yours to change.

    Bounds of its parameters are in NAME.toml beside it.

    \b
    Examples:
      workbench report new my_day --title "My day"
      workbench report run my_day
    """
    from workbench.config import load_settings
    from workbench.reports.template import new_report

    click.echo(str(new_report(load_settings(), name, title)))
    click.echo(
        f"it runs as it is: workbench report run {name}\n"
        "open it in JupyterLab to make it yours; what it takes: "
        f"workbench report show {name} --parameters",
        err=True,
    )


COMMANDS = (rerun, diff, check, open_command, trend, prune, new)
