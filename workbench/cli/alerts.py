"""``workbench alerts``: price alerts and what followed."""

from __future__ import annotations

import click

from workbench.cli.answers import answer, answer_options, as_of_option


@click.command()
@click.option("--hours", default=24.0, show_default=True, help="Length of the window.")
@click.option("--symbol", metavar="SYMBOL", help="Of this symbol only.")
@as_of_option
@answer_options
def command(hours: float, symbol: str | None, as_of: str | None, form: str | None) -> None:
    """Print the price alerts, each with the return 1, 5 and 15 minutes after it."""
    from workbench.market import alert_outcomes

    answer(alert_outcomes, form, hours=hours, symbol=symbol, as_of=as_of)
