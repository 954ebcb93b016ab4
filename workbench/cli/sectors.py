"""``workbench sectors``: performance by sector."""

from __future__ import annotations

import click

from workbench.cli.answers import answer, answer_options, as_of_option


@click.command()
@click.option("--hours", default=24.0, show_default=True, help="Length of the window.")
@as_of_option
@answer_options
def command(hours: float, as_of: str | None, form: str | None) -> None:
    """Print trading, return and breadth of every sector."""
    from workbench.market import sector_performance

    answer(sector_performance, form, hours=hours, as_of=as_of)
