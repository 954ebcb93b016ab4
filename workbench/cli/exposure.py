"""``workbench exposure``: long, short, gross and net exposure by sector."""

from __future__ import annotations

import click

from workbench.cli.answers import answer, as_of_option
from workbench.cli.output import format_options


@click.command()
@click.argument("account", required=False)
@as_of_option
@format_options
def command(account: str | None, as_of: str | None, form: str | None) -> None:
    """Print the exposure of ACCOUNT to each sector; of all accounts when left out."""
    from workbench.market import exposure_by_sector

    answer(exposure_by_sector, form, account_id=account, as_of=as_of)
