"""``python -m bench``: run suites, render the page, profile a job."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bench.lab import ROOT, Lab
from bench.records import Shape


def say(message: str) -> None:
    """Progress, on stderr."""
    click.echo(message, err=True)


@click.group()
def main() -> None:
    """Measure the jobs of the workbench, and others on the same work."""


def _shape_options(function: Callable[..., Any]) -> Callable[..., Any]:
    options = [
        click.option(
            "--events", default=1_000_000, show_default=True, help="Records of the topic."
        ),
        click.option("--symbols", default=100, show_default=True, help="Symbols they are of."),
        click.option("--partitions", default=2, show_default=True, help="Partitions of the topic."),
        click.option("--seed", default=1, show_default=True, help="Same seed, same bytes."),
        click.option(
            "--folder",
            type=click.Path(path_type=Path),
            default=ROOT / "build" / "bench",
            help="Where the stack and its topics are kept.  [default: build/bench]",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@main.command()
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
@_shape_options
@click.option(
    "--cold", is_flag=True, help="Record the first run, with class loading and compiling."
)
@click.option("--top", default=30, show_default=True, help="Lines of each list.")
@click.option("--threads", "only", help="Only threads that match this regular expression.")
def profile(
    jobs: tuple[str, ...],
    events: int,
    symbols: int,
    partitions: int,
    seed: int,
    folder: Path,
    cold: bool,
    top: int,
    only: str | None,
) -> None:
    """Record a job with Java's flight recorder while it eats the topic; print the top frames.

    \b
    python -m bench profile aggregates --events 300000
    python -m bench profile router --threads Source
    python -m bench profile landing aggregates      (both at once)
    """
    from bench.profile import profile as record

    lab = Lab(folder, progress=say)
    with lab.running():
        shape = Shape(events, symbols, partitions, seed)
        click.echo(record(lab, shape, list(jobs), warm=not cold, top=top, only=only))


if __name__ == "__main__":
    sys.exit(main())
