"""``workbench tables compact``: keep the tables small while jobs write them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

import click

from workbench.cli.output import format_options, print_rows, progress
from workbench.errors import LakeError

_TABLES = click.argument("tables", nargs=-1, metavar="[TABLE]...")
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Say what would be done, change nothing.")


def _print(kind: type, done: Sequence[Any], form: str | None) -> None:
    """Print what was done to each table; an error of one of them ends the command."""
    columns = [field.name for field in fields(kind) if field.name != "error"]
    rows = [[asdict(one)[name] for name in columns] for one in done]
    print_rows(columns, rows, form or "table")
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


#: What `workbench tables` has besides its own commands.
COMMANDS: tuple[click.Command, ...] = (compact,)
