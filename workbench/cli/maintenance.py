"""``workbench tables compact | expire | orphans | maintain``: keep the tables small."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.durations import Duration
from workbench.cli.output import format_options, print_rows, progress
from workbench.errors import LakeError

if TYPE_CHECKING:
    from workbench.config import Settings
    from workbench.lake.maintenance.claims import Claim

_TABLES = click.argument("tables", nargs=-1, metavar="[TABLE]...")
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Say what would be done, change nothing.")

_OLDER = click.option(
    "--older-than",
    type=Duration(),
    default="24h",
    show_default=True,
    help="Age from which a snapshot may go.",
)


def _print(kind: type, done: Sequence[Any], form: str | None) -> None:
    """Print what was done to each table; an error of one of them ends the command."""
    columns = [field.name for field in fields(kind) if field.name != "error"]
    rows = [[getattr(one, name) for name in columns] for one in done]
    print_rows(columns, rows, form or "table")
    _raise_first(done)


def _raise_first(done: Sequence[Any]) -> None:
    failed = [one for one in done if one.error]
    if failed:
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        raise LakeError(failed[0].error + more)


@click.command()
@_TABLES
@_DRY_RUN
@format_options
def compact(tables: tuple[str, ...], dry_run: bool, form: str | None) -> None:
    """Rewrite the small files of each UTC day into few large, sorted ones.

    All tables when none is named. Jobs may write meanwhile, and sessions that are open keep
    reading what they pinned. No row changes; the old files go with `tables expire`.

    \b
    Examples:
      workbench tables compact --dry-run
      workbench tables compact market.trades
    """
    from workbench.config import load_settings
    from workbench.lake.maintenance.compact import Compaction
    from workbench.lake.maintenance.compact import compact as run

    done = run(load_settings(), tables, dry_run=dry_run, progress=progress)
    _print(Compaction, done, form)


@click.command()
@_TABLES
@_OLDER
@_DRY_RUN
@format_options
def expire(tables: tuple[str, ...], older_than: timedelta, dry_run: bool, form: str | None) -> None:
    """Remove old snapshots, and delete the files that only they reached.

    All tables when none is named. Kept are the newest snapshot, what a tag names, what open
    sessions read, and what every Flink job has to find to know what it has committed.

    \b
    Examples:
      workbench tables expire --dry-run
      workbench tables expire --older-than 6h market.trades
    """
    from workbench.config import load_settings
    from workbench.lake.maintenance.expire import Expiry
    from workbench.lake.maintenance.expire import expire as run

    done = run(load_settings(), tables, older_than=older_than, dry_run=dry_run, progress=progress)
    _print(Expiry, done, form)


@click.command()
@_TABLES
@click.option(
    "--older-than",
    type=Duration(),
    default="3d",
    show_default=True,
    help="Leave out files changed more recently.",
)
@click.option("--delete", is_flag=True, help="Delete what is found.")
@click.option(
    "--force",
    is_flag=True,
    help="Allow an age of less than a day, and list what a job that is started again may commit.",
)
@format_options
def orphans(
    tables: tuple[str, ...], older_than: timedelta, delete: bool, force: bool, form: str | None
) -> None:
    """List the files in the tables' folders that no metadata reaches.

    They are what a writer left that died before its commit. A job that was cut off may still
    commit its files when it goes on: of its tables, what is younger than a day before its last
    checkpoint is left out. Delete only what is older than any other checkpoint that will be
    restored.

    \b
    Examples:
      workbench tables orphans
      workbench tables orphans --older-than 7d --delete
    """
    from workbench.config import load_settings
    from workbench.jobs.uncommitted import claims
    from workbench.lake.maintenance.orphans import Orphan
    from workbench.lake.maintenance.orphans import orphans as run

    settings = load_settings()
    # Before any file is looked at: what a job commits meanwhile only makes its claim smaller.
    held = [] if force else claims(settings)
    found = run(
        settings,
        tables,
        older_than=older_than,
        claims=held,
        delete=delete,
        force=force,
        progress=progress,
    )
    _say_what_is_left_out([c for c in held if not tables or c.table in tables], older_than)
    _print(Orphan, found, form)


def _say_what_is_left_out(claims: Sequence[Claim], older_than: timedelta) -> None:
    """Name each job whose claim is older than what was asked for."""
    from datetime import UTC, datetime

    before = datetime.now(UTC) - older_than
    held = {claim.job: claim for claim in claims if claim.since < before}
    for job, claim in held.items():
        names = ", ".join(dict.fromkeys(each.table for each in claims if each.job == job))
        since = f" since {claim.since:%Y-%m-%d %H:%M} UTC" if claim.made_at else ""
        click.echo(
            f"{names}: files{since} are left out: {job} may commit them when it goes on "
            f"(`workbench jobs submit {job}`); --force lists them",
            err=True,
        )


@click.command()
@click.option("--every", type=Duration(), help="Do it again and again, so long apart.")
@_OLDER
def maintain(every: timedelta | None, older_than: timedelta) -> None:
    """Compact all tables and expire their old snapshots: the habit, for a timer.

    Once without --every. With it, it goes on in the foreground until Ctrl-C, past errors.

    \b
    Examples:
      workbench tables maintain
      workbench tables maintain --every 10m --older-than 6h
    """
    import time

    from workbench.config import load_settings
    from workbench.provenance import one_line

    settings = load_settings()
    while True:
        started = time.monotonic()
        try:
            _pass(settings, older_than)
        except Exception as error:
            if every is None:
                raise
            click.echo(f"error: {one_line(error)}", err=True)
        if every is None:
            return
        time.sleep(max(0.0, started + every.total_seconds() - time.monotonic()))


def _pass(settings: Settings, older_than: timedelta) -> None:
    from workbench.lake.maintenance.habit import maintain as run

    compacted, expired = run(settings, older_than=older_than, progress=progress)
    for one in compacted:
        if one.outcome == "compacted":
            click.echo(
                f"{one.table}: {one.files_before} files -> {one.files_after}, "
                f"{one.rewritten_rows} rows rewritten"
            )
    for old in expired:
        if old.outcome == "expired":
            note = f"; {old.note}" if old.note else ""
            click.echo(
                f"{old.table}: {old.expired} snapshots expired, "
                f"{old.deleted_files} files deleted{note}"
            )
    _raise_first([*compacted, *expired])


#: What `workbench tables` has besides its own commands.
COMMANDS: tuple[click.Command, ...] = (compact, expire, orphans, maintain)
