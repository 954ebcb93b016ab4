"""``workbench dlq``: see why records were refused, mend them, send them again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.output import print_json, print_rows, progress

if TYPE_CHECKING:
    from workbench.dead_letters import Letter, Plan, Replayed

#: So many are sent without being asked about.
UNASKED = 100
#: A message in a listing is cut here; `dlq show` has all of it.
SHOWN_MESSAGE = 80


@click.group()
def command() -> None:
    """See why records were refused, mend them, send them again.

    A dead letter is named by where its record lies and the job that refused it, as
    TOPIC/PARTITION/OFFSET@JOB; the job may be left out.

    \b
    workbench dlq list --reason missing-field
    workbench dlq show raw.trades/0/123
    workbench dlq replay raw.trades/0/123 --set symbol=AAPL
    """


def _selecting(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say which letters are meant."""
    for name, text in (
        ("job", "Refused by this job."),
        ("reason", "Refused for this reason (error_type)."),
    ):
        function = click.option(f"--{name}", help=text)(function)
    return function


@command.command("list")
@_selecting
@click.option("--topic", help="Of this source topic, or in this dead-letter topic.")
@click.option("--since", metavar="TIME", help="Refused from then on; a date means its start, UTC.")
@click.option("--until", metavar="TIME", help="Refused up to then; a date means its end, UTC.")
@click.option("--limit", type=click.IntRange(0), default=20, show_default=True, help="Rows shown.")
@click.option("--pending", "state", flag_value="pending", help="What was not sent again yet.")
@click.option("--replayed", "state", flag_value="replayed", help="What was sent again.")
@click.option(
    "--export",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write all that are selected to a file, values included, to be mended.",
)
@click.option("--json", "as_json", is_flag=True, help="Print counts and rows as JSON.")
def list_letters(limit: int, file: Path | None, as_json: bool, **chosen: Any) -> None:
    """Count dead letters by reason and list the newest.

    A letter is pending, replayed, or unclear: a replay was cut off, and the next one finds out
    whether it got through.

    \b
    workbench dlq list --since 2024-06-10 --pending
    workbench dlq list --reason missing-field --export letters.jsonl
    """
    from workbench.config import load_settings
    from workbench.dead_letters import Selection, count_by_reason, export, find
    from workbench.lake.session import open_session
    from workbench.terminal import escape

    settings = load_settings()
    selection = Selection(**chosen)
    with open_session(settings, read_only=True) as session:
        counts = count_by_reason(session, selection)
        letters = find(session, selection, None if file else limit)
    if file is not None:
        lines, missing = export(settings, letters, file)
        click.echo(
            f"{lines} dead letters in {file}" + (f", {missing} without value" * bool(missing))
        )
        return
    names = ("error_type", "pending", "unclear", "replayed", "newest")
    if as_json:
        rows = [dict(zip(names, row, strict=True)) for row in counts]
        print_json({"counts": rows, "letters": [_as_dict(letter) for letter in letters]})
        return
    if not counts:
        click.echo("no dead letters")
        return
    shown = [(escape(row[0]), *row[1:-1], f"{row[-1]:%Y-%m-%d %H:%M:%S}") for row in counts]
    print_rows(names, shown)
    if letters:
        click.echo()
        _print_letters(letters)
    left = sum(sum(row[1:4]) for row in counts) - len(letters)
    if left:
        click.echo(f"{left} more; --limit shows them")


def _as_dict(letter: Letter) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(letter), "id": str(letter.id)}


def _print_letters(letters: list[Letter]) -> None:
    from workbench.terminal import escape

    rows = [
        (
            escape(str(letter.id)),
            escape(letter.error_type),
            f"{letter.failed_at:%Y-%m-%d %H:%M:%S}",
            letter.state,
            escape(_cut(letter.error_message)),
        )
        for letter in letters
    ]
    print_rows(("id", "error_type", "refused (UTC)", "state", "why"), rows)


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_MESSAGE else text[: SHOWN_MESSAGE - 1] + "…"


@command.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def show(ids: tuple[str, ...], as_json: bool) -> None:
    """Show everything about dead letters: the reason, the record, the field that failed.

    The record is the one in Kafka, to the byte, as long as the topic keeps it. What a terminal
    might act on is shown as an escape.

    \b
    workbench dlq show raw.trades/0/123
    """
    import base64

    from workbench.config import load_settings
    from workbench.dead_letters import describe
    from workbench.dead_letters.letters import find_named
    from workbench.dead_letters.original import from_letter, originals
    from workbench.errors import WorkbenchError
    from workbench.lake.session import open_session

    settings = load_settings()
    with open_session(settings, read_only=True) as session:
        letters = find_named(session, ids)
    try:
        records = originals(settings, letters)
    except WorkbenchError as error:
        # What the lake knows can be shown all the same.
        records = {each.id.coordinates: from_letter(each, error.message) for each in letters}
    if as_json:
        out = []
        for letter in letters:
            original = records[letter.id.coordinates]
            value = original.value
            encoded = None if value is None else base64.b64encode(value).decode("ascii")
            exact = {"exact_value_base64": encoded, "value_note": original.note}
            out.append(_as_dict(letter) | exact)
        print_json(out)
        return
    shown = [describe(letter, records[letter.id.coordinates]) for letter in letters]
    click.echo("\n\n".join(shown))


@command.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@_selecting
@click.option("--all", "everything", is_flag=True, help="All that are pending.")
@click.option("--limit", type=click.IntRange(1), help="At most so many, the newest.")
@click.option(
    "--edit",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Mended values, as `dlq list --export` writes them; alone it says which, too.",
)
@click.option("--set", "sets", multiple=True, metavar="FIELD=VALUE", help="Set a field of each.")
@click.option("--to", metavar="TOPIC", help="Another topic than the one each came from.")
@click.option("--again", is_flag=True, help="Also what was sent again before.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent; send nothing.")
@click.option("--yes", is_flag=True, help=f"Do not ask before sending more than {UNASKED}.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def replay(
    ids: tuple[str, ...],
    job: str | None,
    reason: str | None,
    everything: bool,
    limit: int | None,
    edit: Path | None,
    sets: tuple[str, ...],
    to: str | None,
    again: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Send dead letters again to the topic they came from, under the same key, each once.

    What was sent is marked in ops.dead_letter_replays and not sent a second time. Duplicates are
    left out: they are sent where their ids are given, or with --reason duplicate. Exit code 3
    where a letter that was named, or every one, could not be sent.

    \b
    workbench dlq replay raw.trades/0/123 --set price=12.50
    workbench dlq replay --reason missing-status --set status=FILLED --dry-run
    workbench dlq replay --edit letters.jsonl
    """
    from workbench.config import load_settings
    from workbench.contracts.records import DUPLICATE
    from workbench.dead_letters import Selection, make_plan, read_values
    from workbench.dead_letters import replay as send
    from workbench.dead_letters.letters import find, find_named
    from workbench.errors import UsageError
    from workbench.lake.session import open_session

    selected = bool(job or reason or everything)
    values = read_values(edit) if edit else None
    if (selected and ids) or not (selected or ids or values):
        raise UsageError(
            "say which: IDs, or --reason, --job, --all, or --edit alone",
            hint="`workbench dlq list` shows what there is",
        )
    settings = load_settings()
    with open_session(settings, read_only=True) as session:
        if selected:
            letters = find(session, Selection(job=job, reason=reason, unsent=not again), limit)
        else:
            letters = find_named(session, ids or [str(each) for each in values or ()])
            letters = letters[:limit]
    plan = make_plan(
        settings, letters, values=values, sets=sets, to=to, again=again,
        duplicates=bool(ids) or reason == DUPLICATE,
    )  # fmt: skip
    if dry_run:
        _print_plan(plan, as_json)
        return 0
    if len(plan.planned) > UNASKED and not yes:
        click.confirm(f"Send {len(plan.planned):,} records again?", abort=True, err=True)
    done = send(settings, plan, again=again, progress=progress)
    _print_replayed(done, plan, as_json)
    refused = done.skipped and (not selected or not done.sent)
    return 3 if refused else 0


def _print_plan(plan: Plan, as_json: bool) -> None:
    from workbench.terminal import escape

    columns = ("record", "to", "bytes", "edited", "would be")
    rows = [
        (
            escape(each.record),
            each.topic,
            len(each.value),
            each.edited,
            escape(_cut(f"refused: {each.refusal}")) if each.refusal else "accepted",
        )
        for each in plan.planned
    ]
    if as_json:
        planned = [dict(zip(columns, row, strict=True)) for row in rows]
        print_json({"would_send": planned, "skipped": _skipped(plan.skipped)})
        return
    if rows:
        print_rows(columns, rows)
    _print_skipped(plan.skipped)
    click.echo(f"{len(rows)} would be sent, {len(plan.skipped)} not")


def _print_replayed(done: Replayed, plan: Plan, as_json: bool) -> None:
    from dataclasses import asdict

    from workbench.terminal import escape

    if as_json:
        sent = [asdict(each) for each in done.sent]
        print_json({"sent": sent, "skipped": _skipped(done.skipped)})
        return
    for each in done.sent:
        edited = " (edited)" if each.edited else ""
        click.echo(f"{escape(each.record)} -> {each.topic}/{each.partition}/{each.offset}{edited}")
    _print_skipped(done.skipped)
    click.echo(f"{len(done.sent)} sent, {len(done.skipped)} not")
    expected = {each.record for each in plan.planned if each.refusal}
    again = sum(each.record in expected for each in done.sent)
    if again:
        click.echo(
            f"{again} of them break a rule as they are and will be refused again: "
            "mend them with --set or --edit",
            err=True,
        )


def _skipped(skipped: tuple[Any, ...]) -> list[dict[str, str]]:
    return [{"id": str(each.letter.id), "why": each.why} for each in skipped]


def _print_skipped(skipped: tuple[Any, ...]) -> None:
    from workbench.terminal import escape

    for each in skipped:
        click.echo(f"{escape(str(each.letter.id))} not sent: {escape(each.why)}")
