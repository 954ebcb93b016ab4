"""``workbench portfolio``: positions and profit of one account."""

from __future__ import annotations

import click

from workbench.cli.answers import answer, as_of_option
from workbench.cli.output import format_options


@click.command()
@click.argument("account")
@click.option("--open-only", is_flag=True, help="Leave out symbols with position 0.")
@as_of_option
@format_options
def command(account: str, open_only: bool, as_of: str | None, form: str | None) -> None:
    """Print position, cost and profit of ACCOUNT, symbol by symbol."""
    from workbench.market import portfolio

    answer(portfolio, form, account_id=account, include_closed=not open_only, as_of=as_of)
