"""``python -m bench``: run suites, render the page, profile a job."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext
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


@main.command()
@click.argument("suites", nargs=-1, metavar="SUITE...")
@_shape_options
@click.option("--repeats", default=3, show_default=True, help="Measured runs after the first one.")
@click.option("--slots", default="1,2", show_default=True, help="Slots of the growth suite.")
@click.option("--seconds", default=30, show_default=True, help="How long latency is measured.")
@click.option("--only", default="", help="Engines of the peers suite that match, as an expression.")
@click.option("--kills/--no-kills", default=True, help="Kill the peers, to see what is lost.")
@click.option("--quick", is_flag=True, help="Small: 50,000 records, one repeat, 10 seconds.")
@click.option("--note", default="", help="What is to be said of the run: what else was going on.")
def run(
    suites: tuple[str, ...],
    events: int,
    symbols: int,
    partitions: int,
    seed: int,
    folder: Path,
    repeats: int,
    slots: str,
    seconds: int,
    only: str,
    kills: bool,
    quick: bool,
    note: str,
) -> None:
    """Run suites, all of them when none is named; results go to bench/results/SUITE.json.

    \b
    python -m bench
    python -m bench router peers --events 3000000
    python -m bench --quick
    """
    from bench.pace import pace
    from bench.results import facts, rounded, save
    from bench.suites import SUITES, WITHOUT_STACK, Options

    unknown = set(suites) - set(SUITES)
    if unknown:
        raise click.UsageError(f"no suite {', '.join(sorted(unknown))}; known: {', '.join(SUITES)}")
    if quick:
        events, repeats, seconds = 50_000, 1, 10
    shape = Shape(events, symbols, partitions, seed)
    options = Options(shape, repeats, tuple(int(n) for n in slots.split(",")), seconds, only, kills)
    lab = Lab(folder, progress=say)
    for name in suites or SUITES:
        say(f"== {name}")
        before = pace()
        with nullcontext() if name in WITHOUT_STACK else lab.running():
            content = SUITES[name](lab, options)
        measured = {"pace_s": [before, pace()], "note": note, **content}
        click.echo(save(name, rounded({**facts(), **measured})))


@main.command()
def classes() -> None:
    """Run the demo to list the classes that Flink's JVMs load, for their archive."""
    from bench.classes import record

    click.echo(record())


@main.command()
def publish() -> None:
    """Show the newest results: docs/benchmarks.json, docs/benchmarks.md and its pictures."""
    import json

    from bench.page import pictures, render
    from bench.results import SHOWN, gather

    results = gather()
    SHOWN.write_text(json.dumps(results, indent=1) + "\n")
    SHOWN.with_suffix(".md").write_text(render(results))
    for name, svg in pictures(results).items():
        (SHOWN.parent / "images" / name).write_text(svg)
    click.echo(f"{SHOWN.with_suffix('.md')}: {', '.join(results) or 'nothing yet'}")


if __name__ == "__main__":
    # A polite end still ends the stack and whatever else was started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    words = sys.argv[1:]
    # A suite needs no verb: `python -m bench router` runs it.
    sys.exit(main(words if words and words[0] in (*main.commands, "--help") else ["run", *words]))
