"""``workbench tables``: create, list, describe and maintain the Iceberg tables."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

import click

from workbench.cli.maintenance import COMMANDS
from workbench.cli.output import format_options, print_rows
from workbench.errors import LakeError, ValidationFailed


@click.group()
def command() -> None:
    """Create, list, describe and maintain the Iceberg tables."""


for _maintenance in COMMANDS:
    command.add_command(_maintenance)


@command.command()
@format_options
def apply(form: str | None) -> None:
    """Make every table as its contract says; a second run changes nothing.

    Drift that only a migration can mend is listed and gives exit code 3.
    """
    from workbench.config import load_settings
    from workbench.lake import tables

    done = tables.apply(load_settings())
    rows = [
        (table.table, "; ".join(table.changes) or "as it should be", "; ".join(table.drift))
        for table in done
    ]
    print_rows(("table", "changes", "drift"), rows, form or "table")
    drifted = [table.table for table in done if table.drift]
    if drifted:
        raise ValidationFailed(
            f"{', '.join(drifted)}: not as the contract says",
            hint="see the column drift; nothing is dropped, renamed or retyped by apply",
        )


@command.command("list")
@format_options
def list_(form: str | None) -> None:
    """List the tables with rows, files, snapshot, last commit and newest event."""
    from workbench.config import load_settings
    from workbench.lake import tables

    names = [field.name for field in fields(tables.TableSummary) if field.name != "problem"]
    found = tables.list_tables(load_settings())
    rows = [[getattr(table, name) for name in names] for table in found]
    print_rows(names, rows, form or "table")
    for table in found:
        if table.problem:
            raise LakeError(table.problem)


@command.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
def describe(name: str, as_json: bool) -> None:
    """Describe the table NAME: columns, layout, properties, snapshots, drift."""
    from workbench.config import load_settings
    from workbench.lake import tables

    table = tables.describe(load_settings(), name)
    if as_json:
        click.echo(json.dumps(asdict(table), indent=2, default=_iso))
        return
    click.echo(f"{table.table}: {table.doc}")
    click.echo(
        f"written by {table.job}; partitioned by {table.partition_by}; "
        f"sorted by {', '.join(table.sort_by)}"
    )
    click.echo(f"location {table.location or '(not created yet)'}\n")
    print_rows(list(table.columns[0]), [list(column.values()) for column in table.columns])
    if table.snapshots:
        click.echo("\nsnapshots, newest first")
        newest = table.snapshots[:10]
        print_rows(list(newest[0]), [list(snapshot.values()) for snapshot in newest])
    for line in table.drift:
        click.echo(f"\ndrift: {line}")


def _iso(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
