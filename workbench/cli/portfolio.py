"""``workbench portfolio``: positions and profit of one account, now or over its history."""

from __future__ import annotations

import click

from workbench.cli.answers import answer, answer_options, as_of_option


@click.command()
@click.argument("account")
@click.option("--open-only", is_flag=True, help="Leave out symbols with position 0.")
@click.option(
    "--history",
    "every",
    type=click.Choice(["15m", "1h", "1d"]),
    help="Its value and profit instead, by intervals of this length.",
)
@click.option("--days", type=int, help="Days of history.  [default: 30]")
@as_of_option
@answer_options
def command(
    account: str,
    open_only: bool,
    every: str | None,
    days: int | None,
    as_of: str | None,
    form: str | None,
) -> None:
    """Print position, cost and profit of ACCOUNT, symbol by symbol, or its history."""
    from workbench.market import portfolio, portfolio_history

    if every is None:
        if days is not None:
            raise click.UsageError("--days is for --history, for example --history 1d")
        answer(portfolio, form, account_id=account, include_closed=not open_only, as_of=as_of)
        return
    if open_only:
        raise click.UsageError("--open-only is for positions, --history has none")
    days = 30 if days is None else days
    answer(portfolio_history, form, account_id=account, days=days, every=every, as_of=as_of)
