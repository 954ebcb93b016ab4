"""``workbench topics``: the topics of the contracts on the broker."""

from __future__ import annotations

import click

from workbench.cli.output import print_rows

_JSON = click.option("--json", "form", flag_value="json", help="Print the rows as JSON.")


@click.group("topics")
def command() -> None:
    """Create, list and compare the Kafka topics; nothing is ever deleted."""


@command.command("apply")
@_JSON
def apply(form: str | None) -> None:
    """Create what is missing and mend what differs; a second run changes nothing."""
    from workbench.broker import topics
    from workbench.config import load_settings

    done = topics.apply(load_settings())
    if done or form:
        rows = [
            (d.topic, "created" if d.what == "missing" else d.what, d.found, d.wanted) for d in done
        ]
        print_rows(("topic", "change", "before", "now"), rows, form or "table")
    else:
        click.echo("all topics are as the contracts say")


@command.command("list")
@_JSON
def list_(form: str | None) -> None:
    """Print every topic of the contracts with its state on the broker."""
    from workbench.broker import topics
    from workbench.config import load_settings

    columns = ("topic", "partitions", "retention_days", "key", "record", "job", "about")
    rows = [
        (
            state.name,
            state.partitions if state.partitions is not None else "missing",
            state.topic.retention_days,
            state.topic.key,
            state.topic.record.name if state.topic.record else None,
            state.topic.job,
            state.topic.doc,
        )
        for state in topics.list_topics(load_settings())
    ]
    print_rows(columns, rows, form or "table")


@command.command("diff")
@_JSON
def diff(form: str | None) -> int:
    """Print where the broker differs from the contracts; exit 1 when `apply` has work to do."""
    from workbench.broker import topics
    from workbench.config import load_settings

    drifts = topics.diff(load_settings())
    if drifts or form:
        rows = [
            (d.topic, d.what, d.wanted, d.found, "yes" if d.mended_by_apply else "no")
            for d in drifts
        ]
        print_rows(("topic", "what", "wanted", "found", "mended_by_apply"), rows, form or "table")
    else:
        click.echo("no difference")
    return 1 if any(d.mended_by_apply for d in drifts) else 0
