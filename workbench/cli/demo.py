"""``workbench demo``: the whole way once."""

from __future__ import annotations

import sys
import time

import click

from workbench.cli.output import print_rows


@click.command()
@click.option("--keep", is_flag=True, help="Leave broker, cluster and jobs running.")
@click.option(
    "--history-days",
    default=100,
    show_default=True,
    type=click.IntRange(7, 500),
    help="Weekdays of history.",
)
@click.option(
    "--symbols",
    default=50,
    show_default=True,
    type=click.IntRange(1, 511),
    help="Symbols that trade.",
)
@click.option(
    "--live-events",
    default=30_000,
    show_default=True,
    type=click.IntRange(100, 5_000_000),
    help="Events of the live day.",
)
@click.option("--fresh", is_flag=True, help="Remove the lake and the stack's data first; asks.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(
    keep: bool, history_days: int, symbols: int, live_events: int, fresh: bool, yes: bool
) -> None:
    """Run the whole way once: stack, jobs, a market's history, a live day and its report.

    History is made in an empty lake; a further demo streams the next weekday.
    Exit code 3 when a comparison or a check of the report does not hold. A demo that is stopped
    (Ctrl-C, SIGTERM, SIGHUP) ends what it started.
    """
    from workbench.config import load_settings
    from workbench.demo import Scale, check_start_over, chosen, demo, start_over
    from workbench.stack.lock import Stopped

    started = time.monotonic()
    said = ""

    def say(message: str) -> None:
        nonlocal said
        if message != said:
            click.echo(f"{time.monotonic() - started:5.0f} s  {message}", err=True)
        said = message

    settings = load_settings()
    scale = Scale(history_days=history_days, symbols=symbols, live_events=live_events)
    # Before anything is removed: the reference data may have fewer symbols.
    chosen(settings, scale)
    if fresh:
        check_start_over(settings)
        if not yes:
            click.confirm(
                f"Remove all tables in {settings.warehouse} and all data in "
                f"{settings.stack_folder}?",
                abort=True,
            )
        start_over(settings, say)
    try:
        outcome = demo(settings, scale, keep=keep, say=say)
    except Stopped as stopped:
        click.echo("stopped", err=True)
        # As a shell tells it: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP.
        sys.exit(128 + stopped.number)
    click.echo()
    print_rows(("the demo", ""), [*outcome.facts, ("time", f"{outcome.seconds:.0f} s")])
    click.echo()
    click.echo(f"report: {outcome.report.html}")
    click.echo("go on:  workbench top · workbench sectors · workbench sql · workbench tables list")
    if not keep:
        click.echo("        workbench stack up && workbench jobs submit all   (start it again)")
    sys.stdout.flush()
    outcome.report.raise_for_checks()
