"""``workbench top``: the most traded symbols."""

from __future__ import annotations

import click

from workbench.cli.answers import answer, answer_options, as_of_option


@click.command()
@click.option("-n", "--count", default=20, show_default=True, help="How many symbols.")
@click.option("--hours", default=24.0, show_default=True, help="Length of the window.")
@as_of_option
@answer_options
def command(count: int, hours: float, as_of: str | None, form: str | None) -> None:
    """Print the symbols with the largest volume."""
    from workbench.market import top_symbols

    answer(top_symbols, form, n=count, hours=hours, as_of=as_of)
