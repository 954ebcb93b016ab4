"""``workbench metrics``: what runs, for Prometheus."""

from __future__ import annotations

import click

#: Flink's own reporter begins at 9249.
DEFAULT_PORT = 9250


@click.group()
def command() -> None:
    """What runs, as metrics for Prometheus."""


@command.command()
@click.option(
    "--port",
    default=DEFAULT_PORT,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port on loopback; 0 takes a free one.",
)
@click.option("--once", is_flag=True, help="Print the metrics of now and end.")
def serve(port: int, once: bool) -> None:
    """Answer scrapes at http://127.0.0.1:PORT/metrics until Ctrl-C; never beyond this machine.

    A part that does not answer gives workbench_up 0, no error. Docs: operations/metrics.md.

    \b
    workbench metrics serve --once
    """
    from workbench.config import load_settings
    from workbench.metrics import Collector, exposition, samples

    collector = Collector(load_settings())
    if once:
        click.echo(exposition(samples(collector.collect())), nl=False)
        return
    from workbench.metrics.serve import Endpoint

    with Endpoint(collector, port) as endpoint:
        click.echo(f"http://127.0.0.1:{endpoint.port}/metrics, until Ctrl-C", err=True)
        try:
            endpoint.serve_forever()
        except KeyboardInterrupt:
            return
