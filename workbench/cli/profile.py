"""``workbench profile``: when in the day a symbol trades."""

from __future__ import annotations

import click

from workbench.cli.answers import answer, answer_options, as_of_option


@click.command()
@click.argument("symbol")
@click.option(
    "--bucket",
    type=click.Choice(["1m", "5m", "15m"]),
    default="15m",
    show_default=True,
    help="Length of a bucket.",
)
@click.option("--days", default=30, show_default=True, help="Days of history before the day.")
@as_of_option
@answer_options
def command(symbol: str, bucket: str, days: int, as_of: str | None, form: str | None) -> None:
    """Print the share of SYMBOL's volume by time of day, against the days before."""
    from workbench.market import volume_profile

    answer(volume_profile, form, symbol=symbol, bucket=bucket, days=days, as_of=as_of)
