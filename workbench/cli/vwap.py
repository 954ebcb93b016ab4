"""``workbench vwap``: a symbol's price and VWAP through the day."""

from __future__ import annotations

import click

from workbench.cli.answers import answer, as_of_option
from workbench.cli.output import format_options


@click.command()
@click.argument("symbol")
@as_of_option
@format_options
def command(symbol: str, as_of: str | None, form: str | None) -> None:
    """Print the day of SYMBOL by the minute, with the VWAP of the day so far."""
    from workbench.market import vwap_curve

    answer(vwap_curve, form, symbol=symbol, as_of=as_of)
