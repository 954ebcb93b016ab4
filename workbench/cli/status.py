"""``workbench status``: everything on one screen."""

from __future__ import annotations

import json
import shutil
import sys
import time
from typing import Any

import click

#: ``--watch`` draws anew this often.
REDRAW_SECONDS = 2.0
_HOME, _REST_OF_LINE, _BELOW = "\033[H", "\033[K", "\033[J"
_ALTERNATE, _NORMAL = "\033[?1049h\033[?25l", "\033[?25h\033[?1049l"


@click.command("status")
@click.option("--watch", is_flag=True, help="Draw it anew every 2 s, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="As JSON; with --watch one object per line.")
def command(watch: bool, as_json: bool) -> None:
    """Show stack, jobs, lag, checkpoints and the freshness of every table on one screen.

    A market table is fresh when it is less than 90 s behind Kafka, degraded below 10 minutes, else
    stale; a job that has read everything leaves nothing behind. Works while parts are down.

    \b
    workbench status
    workbench status --watch
    """
    from workbench.config import load_settings
    from workbench.metrics import Collector
    from workbench.metrics.look import Look, keep_look, last_look
    from workbench.metrics.screen import totals
    from workbench.stack.health import stack_status

    settings = load_settings()
    collector, look = Collector(settings), last_look(settings)
    draw_over = watch and not as_json and sys.stdout.isatty()
    try:
        if draw_over:
            sys.stdout.write(_ALTERNATE)
        while True:
            begun = time.monotonic()
            state = collector.collect(detail=False)
            text = _text(state, stack_status(settings), look, as_json=as_json, lines=watch)
            keep_look(settings, Look(state.at, totals(state)))
            if draw_over:
                _draw_over(text)
            else:
                click.echo(text)
            if not watch:
                return
            if not draw_over and not as_json:
                click.echo()
            time.sleep(max(0.0, REDRAW_SECONDS - (time.monotonic() - begun)))
    except KeyboardInterrupt:
        return
    finally:
        if draw_over:
            sys.stdout.write(_NORMAL)
            sys.stdout.flush()


def _text(state: Any, stack: Any, look: Any, *, as_json: bool, lines: bool) -> str:
    from workbench.cli.output import json_text, table_text
    from workbench.metrics import screen
    from workbench.terminal import escape

    if as_json:
        text = json_text(screen.as_dict(state, stack, look))
        return json.dumps(json.loads(text)) if lines else text
    shown = screen.screen(state, stack, look)
    blocks = [
        table_text(screen.PART_COLUMNS, shown.parts),
        table_text(screen.JOB_COLUMNS, shown.jobs),
        table_text(screen.TABLE_COLUMNS, shown.tables),
        "\n".join(escape(line) for line in shown.lines),
    ]
    return "\n\n".join(blocks)


def _draw_over(text: str) -> None:
    """Draw over what is there, in one write: nothing is blank in between."""
    width, height = shutil.get_terminal_size()
    lines = [line[:width] for line in text.splitlines()[: height - 1]]
    sys.stdout.write(_HOME + "".join(f"{line}{_REST_OF_LINE}\n" for line in lines) + _BELOW)
    sys.stdout.flush()
