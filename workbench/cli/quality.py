"""``workbench quality``: how good the data is, and which rows are not."""

from __future__ import annotations

from typing import Any

import click

from workbench.cli.answers import answer, answer_options, as_of_option

#: What can be asked for, the question that answers, and what of the options it takes.
QUESTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "summary": ("data_quality", ("as_of",)),
    "gaps": ("trading_gaps", ("as_of", "minutes", "symbol")),
    "duplicates": ("duplicates", ("as_of", "hours")),
    "late": ("late_rows", ("as_of", "hours")),
    "dead-letters": ("dead_letters", ("as_of",)),
    "unknown": ("missing_reference", ("as_of", "hours")),
    "flow": ("reconciliation", ()),
}


@click.command()
@click.argument("what", type=click.Choice(list(QUESTIONS)), default="summary")
@click.option("--hours", type=float, help="Length of the window of duplicates, late, unknown: 24.")
@click.option("--minutes", type=int, help="Shortest gap that is listed: 5.")
@click.option("--symbol", metavar="SYMBOL", help="Gaps of this symbol only.")
@as_of_option
@answer_options
def command(what: str, form: str | None, **options: Any) -> None:
    """Print how much of the data is duplicate, late, refused, silent or unknown.

    WHAT names the rows behind a number: gaps (minutes without trades), duplicates, late,
    dead-letters, unknown (symbols without reference data), or flow (whether every record is
    somewhere).
    """
    from workbench import market

    question, takes = QUESTIONS[what]
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in takes:
            raise click.UsageError(f"{what} takes no --{name.replace('_', '-')}")
    answer(getattr(market, question), form, **given)
