"""``workbench replay``: files to the raw topics."""

from __future__ import annotations

import json
import sys

import click


@click.command("replay")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--format",
    "form",
    required=True,
    type=click.Choice(["trades", "marketdata", "orderbook", "binance"]),
    help="What the files hold; binance is a raw WebSocket capture.",
)
@click.option(
    "--speed",
    default="max",
    show_default=True,
    help="Multiple of real time by event time, or max.",
)
@click.option("--loop", is_flag=True, help="Start again at the end, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def command(files: tuple[str, ...], form: str, speed: str, loop: bool, as_json: bool) -> None:
    """Send JSON lines, CSV or Parquet (each also .gz; - is standard input) to the raw topics.

    \b
    workbench replay trades.parquet --format trades
    workbench replay capture.jsonl.gz --format binance --speed 10
    """
    from workbench.config import load_settings
    from workbench.errors import WorkbenchError
    from workbench.ingest.replay import parse_speed, replay

    on_terminal = sys.stderr.isatty()

    def progress(sent: int, seconds: float) -> None:
        if on_terminal:
            click.echo(f"\r{sent:,} messages, {sent / seconds:,.0f}/s ", nl=False, err=True)

    try:
        done = replay(
            load_settings(),
            files,
            form,
            speed=parse_speed(speed),
            loop=loop,
            progress=progress,
        )
    except WorkbenchError as error:
        counted = getattr(error, "replayed", None)
        if counted is not None:
            _print(counted, as_json)
        raise
    finally:
        if on_terminal:
            click.echo("\r\033[K", nl=False, err=True)
    _print(done, as_json)


def _print(done: object, as_json: bool) -> None:
    from workbench.ingest.replay import Replayed

    assert isinstance(done, Replayed)
    if as_json:
        click.echo(json.dumps(done.as_dict(), indent=2))
        return
    topics = ", ".join(f"{topic} {count:,}" for topic, count in sorted(done.sent.items()))
    click.echo(
        f"sent {done.sent.total():,} messages in {done.seconds:.1f} s ({done.rate:,.0f}/s)"
        + (f": {topics}" if topics else "")
        + f"; failed {done.failed.total():,}"
    )
    for line in done.tally.lines():
        click.echo(f"  {line}")
