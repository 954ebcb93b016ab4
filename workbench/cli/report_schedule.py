"""``workbench report schedule | scheduled | unschedule | scheduled-run``: reports on time."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.durations import Duration
from workbench.cli.output import format_options, print_rows, progress
from workbench.cli.report_parameters import pairs
from workbench.errors import LakeError, UsageError, WorkbenchError

if TYPE_CHECKING:
    from workbench.schedule.history import Attempt
    from workbench.schedule.install import Kind
    from workbench.schedule.schedules import Schedule


@click.command()
@click.argument("name")
@click.option(
    "--at", required=True, metavar="CALENDAR", help="When it is due: [DAYS] TIME[,TIME] [ZONE]."
)
@click.option("-p", "given", multiple=True, metavar="NAME=VALUE", help="A parameter of the report.")
@click.option(
    "--as-of",
    type=click.Choice(["newest", "due"]),
    default="newest",
    show_default=True,
    help="What the report is about: the newest trade, or the due time.",
)
@click.option(
    "--retry",
    type=click.IntRange(0, 100),
    default=3,
    show_default=True,
    help="Attempts after the first, where another may go better: a dead kernel, a part that does "
    "not answer, stale data.",
)
@click.option(
    "--retry-delay",
    type=Duration(),
    default="1m",
    show_default=True,
    help="Wait before the second attempt; doubled for each further one, up to 1h.",
)
@click.option(
    "--wait-fresh",
    type=Duration(),
    default="0s",
    show_default=True,
    help="Wait so long for data that is fresh for the due time; each --retry then looks once more. "
    "Exit code 4 at the end.",
)
@click.option(
    "--notify",
    metavar="HOOK",
    help="A command, or an https:// address, told of failures, recoveries, missed runs and runs on "
    "stale data.",
)
@click.option("--systemd", "kind", flag_value="systemd", help="A systemd user timer (default).")
@click.option("--cron", "kind", flag_value="cron", help="Lines of a crontab instead.")
@click.option("--install", "install_it", is_flag=True, help="Put the timer in place, too.")
def schedule(
    name: str,
    at: str,
    given: tuple[str, ...],
    as_of: Any,
    retry: int,
    retry_delay: timedelta,
    wait_fresh: timedelta,
    notify: str | None,
    kind: Kind | None,
    install_it: bool,
) -> None:
    """Keep a schedule for the report NAME and print the timer that runs it.

    DAYS are Mon-Fri, Mon,Thu, daily, weekdays or weekends; ZONE is an IANA name, UTC when left
    out. The same schedule made again replaces the first. What runs at the due time is `workbench
    report scheduled-run`, under any scheduler.

    \b
    Examples:
      workbench report schedule market_day --at "Mon-Fri 18:05 America/New_York" --install
      workbench report schedule market_day --at "daily 07:30,18:05 UTC" -p top=5 --cron
      workbench report schedule market_day --at "18:05 UTC" --wait-fresh 20m --notify "mail desk"
    """
    from workbench.config import load_settings
    from workbench.lake.session import open_session
    from workbench.reports.known_values import check_values
    from workbench.reports.parameters import parse_parameters
    from workbench.reports.registry import notebook_of, report_named
    from workbench.schedule.calendar import parse_calendar
    from workbench.schedule.install import install
    from workbench.schedule.notify import check_target
    from workbench.schedule.schedules import (
        Schedule,
        keeping_its_age,
        save_schedule,
        schedule_id,
    )

    settings, now = load_settings(), datetime.now(UTC)
    calendar, parameters = parse_calendar(at), pairs(given)
    spec = report_named(settings, name)
    values = parse_parameters(spec, parameters)
    # Better now than at the first due time; where there is no lake yet, nothing is known.
    with suppress(LakeError), open_session(settings) as session:
        check_values(session, values)
    notebook_of(settings, spec)
    if "as_of" in parameters:
        raise UsageError("-p as_of is one moment for all runs", hint="use --as-of newest or due")
    project = settings.project.resolve()
    made = Schedule(
        id=schedule_id(name, calendar.text, parameters, project),
        report=name,
        at=calendar.text,
        parameters=parameters,
        as_of=as_of,
        retry=retry,
        retry_delay_s=int(retry_delay.total_seconds()),
        wait_fresh_s=int(wait_fresh.total_seconds()),
        notify=check_target(notify) if notify else None,
        created_at=now,
        project=project,
    )
    made = keeping_its_age(made)
    kind = kind or "systemd"
    _print_timer(made, kind, now)
    save_schedule(made)
    if install_it:
        install(made, kind, now)
    _say_what_is_next(made, kind, now, install_it)


def _print_timer(made: Schedule, kind: Kind, now: datetime) -> None:
    from workbench.schedule.install import crontab_lines, units

    if kind == "cron":
        click.echo(crontab_lines(made, now), nl=False)
        return
    for file, text in units(made, now).items():
        click.echo(f"# {file}\n{text}")


def _say_what_is_next(made: Schedule, kind: Kind, now: datetime, installed: bool) -> None:
    """On stderr: stdout is the timer and nothing else."""
    from workbench.schedule.notify import shown_target

    following = made.calendar.next_due(now)
    lines = [f"{made.id}: next due {_moment(following)}, {_local(made, following)}"]
    if made.notify:
        lines.append(f"told of failures: {shown_target(made.notify)}")
    if not installed:
        lines.append("nothing is installed: give --install, or copy what is printed above")
        lines.append(
            "until then `workbench report scheduled --check` counts its due times as missed; "
            f"`workbench report unschedule {made.id}` forgets it"
        )
    elif kind == "systemd":
        lines.append("it runs while you are logged in; always after `loginctl enable-linger`")
    variables = _variables_left_behind()
    if variables:
        where = "workbench.toml or schedules/environment" if kind == "systemd" else "workbench.toml"
        lines.append(f"a timer does not have {variables} of this shell: put it into {where}")
    click.echo("\n".join(lines), err=True)


def _variables_left_behind() -> str:
    import os

    from workbench.config import MACHINE_VARIABLES, PREFIX

    names = (n for n in sorted(os.environ) if n.startswith(PREFIX) and n not in MACHINE_VARIABLES)
    return ", ".join(names)


@click.command()
@click.argument("wanted", required=False, metavar="[NAME|ID]")
@click.option("--check", "check_them", is_flag=True, help="Look for runs that were missed.")
@format_options
def scheduled(wanted: str | None, check_them: bool, form: str | None) -> None:
    """List the schedules with their next due time and last verdict; of one, its attempts.

    --check finds due times that passed more than ten minutes ago without a run, tells the
    notify hook and gives exit code 1.

    \b
    Examples:
      workbench report scheduled
      workbench report scheduled market_day --json
      workbench report scheduled --check
    """
    from workbench.config import load_settings
    from workbench.schedule.run import check
    from workbench.schedule.schedules import find_schedule, find_schedules, list_schedules

    settings = load_settings()
    found = find_schedules(settings, wanted) if wanted else list_schedules(settings)
    missed = [one for each in found if check_them for one in check(each)]
    if wanted and not check_them:
        _print_attempts(find_schedule(settings, wanted), form)
    else:
        _print_schedules(found, form)
    if missed:
        last = missed[-1]
        raise WorkbenchError(
            f"{len(missed)} due times were missed or cut off, the last of {last.schedule} at "
            f"{_moment(last.due)}",
            hint="is the timer installed, and was the machine on?",
        )


def _print_schedules(found: list[Schedule], form: str | None) -> None:
    from workbench.schedule.history import attempts
    from workbench.schedule.install import installed
    from workbench.schedule.notify import shown_target

    now, rows = datetime.now(UTC), []
    for each in found:
        following, tried = each.calendar.next_due(now), attempts(each)
        last = tried[-1] if tried else None
        row = [each.id, each.report, each.at, following, _local(each, following)]
        row += [last.due if last else None, last.status if last else "never run"]
        row += [
            last.grade if last else None,
            last.number if last else None,
            installed(each) or "no",
        ]
        row += [shown_target(each.notify) if each.notify else None]
        rows.append(row)
    columns = ["id", "report", "calendar", "next due", "in its zone", "last due", "verdict"]
    columns += ["freshness", "attempts", "installed", "notify"]
    _print(columns, rows, form)


def _print_attempts(one: Schedule, form: str | None) -> None:
    from workbench.schedule.history import attempts

    columns = ["due", "attempt", "status", "freshness", "started", "run", "told", "error"]
    _print(columns, [_attempt_row(each) for each in attempts(one)], form)


def _attempt_row(each: Attempt) -> list[Any]:
    told = "; ".join(f"{n.event}{'' if n.ok else f' failed: {n.detail}'}" for n in each.notices)
    said = [each.due, each.number, each.status, each.grade, each.started_at, each.run, told or None]
    return [*said, each.error]


def _print(columns: list[str], rows: list[list[Any]], form: str | None) -> None:
    if form != "json":
        rows = [[_moment(v) if isinstance(v, datetime) else v for v in row] for row in rows]
    print_rows([c.replace(" ", "_") for c in columns] if form else columns, rows, form or "table")


@click.command()
@click.argument("wanted", metavar="NAME|ID")
def unschedule(wanted: str) -> None:
    """Remove a schedule and its timer; what it ran and its history stay.

    \b
    Examples:
      workbench report unschedule market_day
    """
    from workbench.config import load_settings
    from workbench.schedule.install import uninstall
    from workbench.schedule.schedules import find_schedule, remove_schedule

    one = find_schedule(load_settings(), wanted)
    uninstall(one)
    remove_schedule(one)
    click.echo(f"removed {one.id}: {one.at}")


@click.command("scheduled-run")
@click.argument("wanted", metavar="NAME|ID")
@click.option("--due", metavar="MOMENT", help="Another due time that has passed; the last if none.")
@click.option("--force", is_flag=True, help="Run it although that due time is done.")
def scheduled_run(wanted: str, due: str | None, force: bool) -> None:
    """Run a schedule's report for its last due time, unless that is done.

    What a timer calls. It does no harm at any other time: nothing happens where nothing is due.
    Exit codes are those of `workbench report run`, and 4 where the data did not become fresh.

    \b
    Examples:
      workbench report scheduled-run market_day
      workbench report scheduled-run market_day --due 2026-03-09T22:05:00Z
    """
    from workbench.config import load_settings
    from workbench.lake.times import parse_moment
    from workbench.schedule.run import scheduled_run as run
    from workbench.schedule.schedules import find_schedule

    settings = load_settings()
    one = find_schedule(settings, wanted)
    progress(f"running {one.report} ...")
    done = run(settings, one, due=parse_moment(due, "--due") if due else None, force=force)
    click.echo(f"{one.id}: {done.said}")
    if done.error is not None:
        raise done.error


def _moment(value: datetime) -> str:
    from workbench.lake.times import show_moment

    return show_moment(value.replace(microsecond=0))


def _local(one: Schedule, due: datetime) -> str:
    return f"{due.astimezone(one.calendar.tz):%Y-%m-%d %H:%M %Z}"


COMMANDS = (schedule, scheduled, scheduled_run, unschedule)
