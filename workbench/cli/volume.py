"""``workbench volume``: a symbol's volume against its history."""

from __future__ import annotations

import click

from workbench.cli.answers import answer, answer_options, as_of_option


@click.command()
@click.argument("symbol")
@as_of_option
@answer_options
def command(symbol: str, as_of: str | None, form: str | None) -> None:
    """Compare a day's volume of SYMBOL with its mean day over 7, 30 and 90 days before."""
    from workbench.market import volume_vs_history

    answer(volume_vs_history, form, symbol=symbol, as_of=as_of)
