"""``workbench vwap``: a symbol's price and VWAP through the day."""

from __future__ import annotations

import click

from workbench.cli.answers import answer, answer_options, as_of_option


@click.command()
@click.argument("symbol")
@as_of_option
@answer_options
def command(symbol: str, as_of: str | None, form: str | None) -> None:
    """Print the day of SYMBOL by the minute, with the VWAP of the day so far."""
    from workbench.market import vwap_curve

    answer(vwap_curve, form, symbol=symbol, as_of=as_of)
