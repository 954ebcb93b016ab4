"""``workbench config``: every setting and where it comes from."""

from __future__ import annotations

import json

import click

from workbench.cli.output import print_json, print_rows
from workbench.config import load_settings


@click.group()
def command() -> None:
    """Show every setting and where it comes from."""


def _text(value: object) -> str:
    return value if isinstance(value, str) and value else json.dumps(value)


@command.command()
@click.option("--json", "form", flag_value="json", help="Print the settings as JSON.")
def show(form: str | None) -> None:
    """Print each value in force and where it comes from; secrets are hidden."""
    from workbench.provenance import explain

    values = explain(load_settings())
    if form == "json":
        rows = [{"setting": v.name, "value": v.value, "source": v.source} for v in values]
        print_json(rows)
        return
    print_rows(("setting", "value", "source"), [(v.name, _text(v.value), v.source) for v in values])
