"""``workbench exposure``: long, short, gross and net exposure by sector."""

from __future__ import annotations

import click

from workbench.cli.answers import answer, answer_options, as_of_option


@click.command()
@click.argument("account", required=False)
@as_of_option
@answer_options
def command(account: str | None, as_of: str | None, form: str | None) -> None:
    """Print the exposure of ACCOUNT to each sector; of all accounts when left out."""
    from workbench.market import exposure_by_sector

    answer(exposure_by_sector, form, account_id=account, as_of=as_of)
