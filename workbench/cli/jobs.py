"""``workbench jobs``: submit, watch and stop the Flink jobs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from workbench.cli.durations import Duration
from workbench.cli.output import format_options, print_rows, progress

_DROP_STATE = click.option(
    "--drop-state", is_flag=True, help="Let operators that cannot go on start empty."
)


_UNCHECKED = click.option(
    "--unchecked",
    is_flag=True,
    help="Start from a state also where the plan that made it is not known here.",
)


@click.group()
def command() -> None:
    """Submit, watch and stop the Flink jobs."""


@command.command("list")
@format_options
def list_jobs(form: str | None) -> None:
    """List the jobs of the registry with what they read and write."""
    from workbench.contracts import JOBS

    rows = [
        (job.name, ", ".join(job.sources), ", ".join(job.topics), ", ".join(job.tables), job.doc)
        for job in JOBS
    ]
    print_rows(("job", "source", "topics", "tables", "what it does"), rows, form or "table")


@command.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--fresh", is_flag=True, help="Start without the state of the last stop.")
@_DROP_STATE
@_UNCHECKED
def submit(names: tuple[str, ...], fresh: bool, drop_state: bool, unchecked: bool) -> None:
    """Start jobs on the cluster, where they left off; `all` means every job."""
    from workbench.config import load_settings
    from workbench.jobs import submit as start

    ids = start(
        load_settings(),
        _all(names),
        fresh=fresh,
        drop_state=drop_state,
        unchecked=unchecked,
        progress=progress,
    )
    for name, job_id in ids.items():
        click.echo(f"{name} {job_id}")


@command.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@_DROP_STATE
@_UNCHECKED
def upgrade(names: tuple[str, ...], drop_state: bool, unchecked: bool) -> None:
    """Bring running jobs to their present SQL and settings; `all` means every one that runs.

    Each job is compared with what runs before anything stops: one that cannot go on from its
    state is refused. Then it is stopped with a savepoint and goes on from it. A job that does
    not start goes on as it was. An upgrade that was cut off is finished by the next one.
    """
    from workbench.config import load_settings
    from workbench.jobs.status import running
    from workbench.jobs.upgrade import upgrade as bring_up

    settings = load_settings()
    wanted = running(settings) if "all" in names else list(names)
    if not wanted:
        click.echo("no job runs")
        return
    ids = bring_up(settings, wanted, drop_state=drop_state, unchecked=unchecked, progress=progress)
    for name, job_id in ids.items():
        click.echo(f"{name} {job_id}")


@command.command()
@click.argument("name")
@click.option("--from", "place", metavar="PLACE", help="Path or URI; the newest without it.")
@click.option("--list", "listing", is_flag=True, help="Show what there is, the newest first.")
@_DROP_STATE
@_UNCHECKED
@format_options
def restore(
    name: str,
    place: str | None,
    listing: bool,
    drop_state: bool,
    unchecked: bool,
    form: str | None,
) -> None:
    """Start a job from a savepoint or a retained checkpoint.

    What the job wrote after that point it writes again. `workbench jobs submit` goes on where
    the job left off, without repeating anything.
    """
    from workbench.config import load_settings
    from workbench.contracts import job_named
    from workbench.jobs import restore as bring_back
    from workbench.jobs.bookmark import restore_points

    settings = load_settings()
    if listing:
        points = restore_points(settings, job_named(name).name)
        print_rows(("place", "made"), points, form or "table")
        return
    job_id = bring_back(
        settings, name, place, drop_state=drop_state, unchecked=unchecked, progress=progress
    )
    click.echo(f"{name} {job_id}")


@command.command()
@format_options
def status(form: str | None) -> None:
    """Show what each job is doing: state, since when, records read, last checkpoint, problem."""
    from workbench.config import load_settings
    from workbench.jobs.status import job_status

    columns = ("job", "state", "since", "records read", "checkpoints", "last checkpoint", "problem")
    print_rows(columns, job_status(load_settings()), form or "table")


@command.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--savepoint", is_flag=True, help="Print where the savepoint is; one is always made.")
@click.option("--drain", is_flag=True, help="Close every open window first.")
@click.option("--cancel", is_flag=True, help="Without a savepoint: go on from a checkpoint later.")
def stop(names: tuple[str, ...], savepoint: bool, drain: bool, cancel: bool) -> None:
    """Stop jobs with a savepoint, from which the next submit goes on; `all` means every one."""
    from workbench.config import load_settings
    from workbench.errors import UsageError
    from workbench.jobs import cancel as cut_off
    from workbench.jobs import stop as end
    from workbench.jobs.status import running, wanted_to_run

    settings = load_settings()
    if cancel and (drain or savepoint):
        raise UsageError("--cancel makes no savepoint", hint="leave out --drain and --savepoint")
    # A job that failed is started again by a supervisor: a cancel ends that as well.
    every = wanted_to_run if cancel else running
    wanted = every(settings) if "all" in names else list(names)
    if not wanted:
        click.echo("no job runs")
    if cancel:
        for name, what in cut_off(settings, wanted).items():
            click.echo(f"{name} {what}")
        return
    for name, location in end(settings, wanted, drain=drain, progress=progress).items():
        click.echo(f"{name} {location}" if savepoint else name)


@command.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--keep",
    default=3,
    show_default=True,
    type=click.IntRange(0),
    help="How many of each job stay for `restore`, the newest ones.",
)
@click.option(
    "--older-than", default="0s", show_default=True, type=Duration(), help="Only what is older."
)
@click.option("--dry-run", is_flag=True, help="Only show what would go.")
@format_options
def prune(
    names: tuple[str, ...], keep: int, older_than: timedelta, dry_run: bool, form: str | None
) -> None:
    """Remove old savepoints and retained checkpoints; `all` means every job.

    What a job goes on from is never removed, nor what its last run has made.
    """
    from workbench.config import load_settings
    from workbench.jobs.pruning import prune as remove

    removed = remove(
        load_settings(), _all(names), keep=keep, older_than=older_than, dry_run=dry_run
    )
    rows = [(state.job, state.folder.name, state.made, state.size) for state in removed]
    print_rows(("job", "state", "made", "bytes"), rows, form or "table")
    done = "would go" if dry_run else "removed"
    progress(f"{len(removed)} {done}, {sum(state.size for state in removed) / 2**20:,.1f} MiB")


@command.command()
@click.option("--once", is_flag=True, help="Look and mend once, then end; may wait 30 s.")
@click.option(
    "--interval",
    default=5.0,
    show_default=True,
    type=click.FloatRange(0.5, 3600),
    help="Seconds between two looks.",
)
def supervise(once: bool, interval: float) -> None:
    """Keep stack and jobs running: mend what died, start again what was cut off.

    A job goes on from its newest checkpoint. One that was stopped, drained or cancelled stays so,
    and so does a stack that was ended with `workbench stack down`. Runs until Ctrl-C or SIGTERM;
    what is being started then is started first.
    """
    import signal
    from datetime import UTC, datetime
    from threading import Event

    from workbench.config import load_settings
    from workbench.jobs.supervisor import Supervisor, only_one

    def say(line: str) -> None:
        click.echo(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {line}")

    settings, stopped = load_settings(), Event()
    with only_one(settings):
        if once:
            Supervisor(settings, say).look_once(interval)
            return
        supervisor = Supervisor(settings, say)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopped.set())
        say("supervising")
        supervisor.run(stopped, interval)
        say("ended")


@command.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--batch", is_flag=True, required=True, help="Over files, to their end.")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    required=True,
    metavar="FILE",
    help="JSON lines, CSV or Parquet, also .gz; may be given several times.",
)
@click.option(
    "--format",
    "form",
    default="trades",
    show_default=True,
    help="trades, marketdata, orderbook or binance.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Folder for what would go to topics, as JSON lines; dropped without it.",
)
@click.option("--again", is_flag=True, help="Land files once more that were landed before.")
def run(
    names: tuple[str, ...],
    batch: bool,
    inputs: tuple[str, ...],
    form: str,
    output: Path | None,
    again: bool,
) -> None:
    """Run jobs over files with the same SQL as in the stream; tables land in the lake."""
    from workbench.config import load_settings
    from workbench.jobs import run_batch

    count = run_batch(
        load_settings(),
        _all(names),
        inputs,
        form=form,
        output=output,
        again=again,
        progress=progress,
    )
    click.echo(f"{count} records read")


def _all(names: tuple[str, ...]) -> list[str]:
    from workbench.contracts import JOBS

    return [job.name for job in JOBS] if "all" in names else list(names)
