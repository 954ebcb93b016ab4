"""``workbench stack``: the embedded broker and cluster."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime

import click

from workbench.cli.output import print_rows, progress
from workbench.config import load_settings
from workbench.errors import StackError
from workbench.lake.times import show_span

PARTS = ("kafka", "jobmanager", "taskmanager", "taskmanager-2")


@click.group()
def command() -> None:
    """The embedded broker and cluster: up, down, status, logs."""


def _age(since: datetime | None) -> str:
    return "" if since is None else show_span((datetime.now(UTC) - since).total_seconds())


def _print_status(status: object, form: str | None) -> None:
    from workbench.stack.health import StackStatus

    assert isinstance(status, StackStatus)
    if form == "json":
        parts = [
            {
                "part": part.part,
                "state": part.state,
                "address": part.address or None,
                "pid": part.pid,
                "since": part.since.isoformat() if part.since else None,
                "memory_mb": part.memory_mb,
                "note": part.note or None,
            }
            for part in status.parts
        ]
        click.echo(json.dumps({"healthy": status.healthy, "parts": parts}, indent=2))
        return
    rows = [
        (
            part.part,
            part.state,
            part.address,
            part.pid,
            f"{part.since:%Y-%m-%d %H:%M:%S} UTC ({_age(part.since)})" if part.since else "",
            f"{part.memory_mb} MiB" if part.memory_mb is not None else "",
        )
        for part in status.parts
    ]
    print_rows(("part", "state", "address", "pid", "since", "memory"), rows)
    for part in status.parts:
        if part.note:
            click.echo(f"{part.part}: {part.note}")
    memory = sum(part.memory_mb or 0 for part in status.parts)
    jobmanager = status.part("jobmanager")
    if jobmanager.state in ("running", "external"):
        click.echo(f"web page of the cluster: {jobmanager.address}")
    if memory:
        click.echo(f"resident memory in all: {memory} MiB")
    if status.down:
        click.echo("nothing runs; `workbench stack up` starts it")


@command.command()
@click.option("--json", "form", flag_value="json", help="Print the status as JSON.")
def up(form: str | None) -> None:
    """Start what does not run, mend what is broken, wait until all of it answers."""
    from workbench.stack import Stack

    status = Stack(load_settings()).up(progress)
    _print_status(status, form)


@command.command()
@click.option("--purge", is_flag=True, help="Also remove topics, checkpoints, savepoints, logs.")
@click.option("--yes", is_flag=True, help="Do not ask before removing.")
def down(purge: bool, yes: bool) -> None:
    """End all parts; data stays unless --purge is given.

    Jobs that run are stopped with a savepoint first: `workbench jobs submit` goes on from there.
    """
    from workbench.jobs.status import stop_running
    from workbench.stack import Stack
    from workbench.stack.files import check_own_folder

    settings = load_settings()
    stack = Stack(settings)
    if not purge:
        stopped = stop_running(settings, progress) if not stack.status().down else []
        if stopped:
            click.echo(f"stopped {', '.join(stopped)} with a savepoint each")
        ended = stack.down(progress)
        click.echo(f"ended {', '.join(ended)}; data is kept" if ended else "nothing was running")
        return
    folder = stack.layout.folder
    # Before the question: an answer to it would be in vain.
    check_own_folder(folder, "stack.folder", settings.project)
    if not stack.layout.is_ours:
        click.echo(f"nothing to remove: no stack in {folder}")
        return
    if not yes:
        click.confirm(
            f"Remove all topics, checkpoints, savepoints and logs in {folder} "
            "(the lake's tables stay)?",
            abort=True,
            err=True,
        )
    others = stack.purge(progress)
    if others:
        click.echo(f"removed the stack in {folder}; {others[0].name} is not of it and stays")
    else:
        click.echo(f"removed {folder}")


@command.command()
@click.option("--json", "form", flag_value="json", help="Print the status as JSON.")
def status(form: str | None) -> int:
    """Say what runs, where, since when and with how much memory.

    Exit code 1 where a part is dead or does not answer; a stack that is down is no error.
    """
    from workbench.stack import Stack

    found = Stack(load_settings()).status()
    _print_status(found, form)
    return 0 if found.healthy or found.down else 1


@command.command()
@click.argument("part", type=click.Choice(PARTS))
@click.option(
    "-n",
    "--lines",
    default=50,
    show_default=True,
    type=click.IntRange(1, 1_000_000),
    help="How many last lines.",
)
@click.option("-f", "--follow", is_flag=True, help="Go on as the log grows, until Ctrl-C.")
@click.option("--path", "only_path", is_flag=True, help="Print where the log files are.")
def logs(part: str, lines: int, follow: bool, only_path: bool) -> None:
    """Print the last lines of a part's log."""
    from workbench.stack import Stack
    from workbench.stack.processes import tail

    files = Stack(load_settings()).logs(part)
    if not files:
        raise StackError(f"{part} has no log yet", hint="start it with `workbench stack up`")
    if only_path:
        for path in files:
            click.echo(path)
        return
    for path in reversed(files):
        found = tail(path, lines)
        if found and len(files) > 1:
            click.echo(f"== {path.name}", err=True)
        for line in found:
            click.echo(line)
    if follow:
        with files[0].open(encoding="utf-8", errors="replace") as stream:
            stream.seek(0, 2)
            while True:
                line = stream.readline()
                if line:
                    sys.stdout.write(line)
                    sys.stdout.flush()
                else:
                    time.sleep(0.3)
