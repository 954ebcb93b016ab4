"""``workbench doctor``: what is missing or wrong, with a fix for each."""

from __future__ import annotations

from dataclasses import asdict

import click

from workbench.cli.output import print_json
from workbench.config import Settings, load_settings
from workbench.errors import UsageError


@click.command()
@click.option("--json", "form", flag_value="json", help="Print the checks as JSON.")
def command(form: str | None) -> int:
    """Say what is missing or wrong, with a fix for each.

    Exit code 1 when something is broken. A stack that is simply not running is a note.
    """
    from workbench.doctor import examine

    settings: Settings | UsageError
    try:
        settings = load_settings()
    except UsageError as error:
        # What is wrong with the settings is a line of its own, not the end of the look.
        settings = error
    checks = []
    for check in examine(settings):
        checks.append(check)
        if form is None:
            fix = f"  -> {check.fix}" if check.fix and check.state != "ok" else ""
            click.echo(f"{check.state:<4}  {check.name:<9}  {check.message}{fix}")
    broken = sum(check.state == "fail" for check in checks)
    if form == "json":
        rows = [{**asdict(check), "fix": check.fix or None} for check in checks]
        print_json({"ok": not broken, "checks": rows})
    elif broken:
        click.echo(f"{broken} broken", err=True)
    return 1 if broken else 0
