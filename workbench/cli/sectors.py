"""``workbench sectors``: performance by sector."""

from __future__ import annotations

import click

from workbench.cli.answers import answer, as_of_option
from workbench.cli.output import format_options


@click.command()
@click.option("--hours", default=24.0, show_default=True, help="Length of the window.")
@as_of_option
@format_options
def command(hours: float, as_of: str | None, form: str | None) -> None:
    """Print trading, return and breadth of every sector."""
    from workbench.market import sector_performance

    answer(sector_performance, form, hours=hours, as_of=as_of)
