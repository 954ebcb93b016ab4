"""``workbench spread``: a symbol's order book through the day."""

from __future__ import annotations

import click

from workbench.cli.answers import answer, answer_options, as_of_option


@click.command()
@click.argument("symbol")
@click.option("--minutes", default=5, show_default=True, help="Length of a bucket.")
@as_of_option
@answer_options
def command(symbol: str, minutes: int, as_of: str | None, form: str | None) -> None:
    """Print spread, depth and imbalance of SYMBOL's order book over the day."""
    from workbench.market import spread_curve

    answer(spread_curve, form, symbol=symbol, minutes=minutes, as_of=as_of)
