"""``workbench orders``: how many orders were filled, cancelled and rejected."""

from __future__ import annotations

import click

from workbench.cli.answers import answer, answer_options, as_of_option


@click.command()
@click.option(
    "--by",
    type=click.Choice(["symbol", "account", "trader", "venue", "side", "all"]),
    default="symbol",
    show_default=True,
    help="What orders are grouped by.",
)
@click.option("--hours", default=24.0, show_default=True, help="Length of the window.")
@as_of_option
@answer_options
def command(by: str, hours: float, as_of: str | None, form: str | None) -> None:
    """Print fill, cancel and reject rates of orders."""
    from workbench.market import order_rates

    answer(order_rates, form, by=by, hours=hours, as_of=as_of)
