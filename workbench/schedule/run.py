"""What a timer calls: run a report for the time it was due, once, and keep what became of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from workbench.config import Settings
from workbench.errors import StaleData, UsageError, WorkbenchError
from workbench.provenance import one_line
from workbench.reports.runs import ReportRun, list_runs
from workbench.schedule import news
from workbench.schedule.history import Attempt, Notice, alone, attempts, keep
from workbench.schedule.notify import notify
from workbench.schedule.outcome import Unexpected, is_transient, status_of
from workbench.schedule.schedules import Schedule

#: How often the lake is asked whether it is fresh by now.
_LOOK_S = 15.0
#: `check` calls a due time missed from this age on: a timer may be late, not that late.
GRACE = timedelta(minutes=10)
#: A clock that was set back a little while its timer rang must not lose the day's run.
_EARLY = timedelta(seconds=30)

Report = Callable[[Settings, str, Mapping[str, Any]], ReportRun]
Stale = Callable[[Settings, datetime], str | None]


class Clock(Protocol):
    """The time, and time passing."""

    def now(self) -> datetime:
        """Return the time in UTC."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""


class WallClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)


@dataclass(frozen=True)
class Done:
    """What a call found and did.

    Attributes
    ----------
    attempt
        The last attempt of the due time, by this call or an earlier one; None where nothing is
        due, or another process is at it.
    said
        The same in words.
    error
        Why this call failed; None also where an earlier one did.
    """

    attempt: Attempt | None
    said: str
    error: WorkbenchError | None = None


def scheduled_run(
    settings: Settings,
    schedule: Schedule,
    *,
    due: datetime | None = None,
    force: bool = False,
    clock: Clock | None = None,
    report: Report | None = None,
    stale: Stale | None = None,
) -> Done:
    """Run a schedule's report for the last due time, unless that is done.

    Calling it at any time and any number of times does no harm: it runs once for each due time.

    Parameters
    ----------
    settings
        The settings in force.
    schedule
        What to run.
    due
        Another due time of the calendar that has passed.
    force
        Run it although it is done.
    clock, report, stale
        The clock, what runs a report, and what says why data is stale; tests have their own.

    Returns
    -------
    Done
        Also where the report failed: the error is what `workbench report run` would raise.

    Raises
    ------
    UsageError
        Where `due` is no due time, or has not come.
    """
    call = _Call(
        settings, schedule, clock or WallClock(), report or _run, stale or _stale(schedule)
    )
    with alone(schedule) as free:
        if not free:
            return Done(None, "it is running already")
        while True:
            done = call.once(due, force)
            following = schedule.calendar.next_due(done.attempt.due) if done.attempt else None
            # What came due while it ran: its timer has rung, and nothing was started.
            if due is not None or following is None or following > call.clock.now():
                return done
            force = False


def _run(settings: Settings, name: str, parameters: Mapping[str, Any]) -> ReportRun:
    # Imported here: most rings of a timer may have nothing to do.
    from workbench.reports.runner import run_report

    # A person may be running the same report: that is no reason to fail.
    return run_report(settings, name, parameters, wait=True)


def _stale(schedule: Schedule) -> Stale:
    """What says whether the tables that the schedule's report goes by and reads are fresh."""

    def why(settings: Settings, due: datetime) -> str | None:
        from workbench.reports.freshness import limits_of
        from workbench.reports.registry import report_named
        from workbench.schedule.freshness import why_stale

        spec = report_named(settings, schedule.report)
        table = limits_of(settings, spec.name, spec.freshness, spec.table).table
        # What it reads is known from the newest run that came to its end.
        done = (run for run in list_runs(settings, schedule.report) if not run.summary["error"])
        reads: list[str] = next((run.summary.get("read", []) for run in done), [])
        return why_stale(settings, due, table, reads)

    return why


def check(schedule: Schedule, clock: Clock | None = None) -> list[Attempt]:
    """Return the due times that were missed or cut off, found now; the hook is told of them.

    A due time younger than ten minutes may still be on its way.
    """
    clock = clock or WallClock()
    with alone(schedule) as free:
        if not free:
            return []
        known = attempts(schedule)
        cut_off = _tell_cut_off(schedule, known, clock)
        missed = _tell_missed(schedule, clock.now() - GRACE, known, clock)
        return [*cut_off, *missed]


def _tell_missed(
    schedule: Schedule, before: datetime, known: list[Attempt], clock: Clock
) -> list[Attempt]:
    """Keep and tell which due times up to `before`, itself left out, nobody ran.

    What lies before the last attempt was looked at with that attempt.
    """
    since = max([schedule.created_at, *(each.due for each in known)])
    missed = [due for due in schedule.calendar.due_between(since, before) if due < before]
    if not missed:
        return []
    notices: tuple[Notice, ...] = ()
    if schedule.notify:
        told = news.missed_payload(schedule, missed)
        notices = (notify(schedule.notify, told, schedule.project),)
    found = [
        Attempt(
            schedule=schedule.id, report=schedule.report, due=due, number=0, status="missed",
            final=True, error="nobody ran it", started_at=clock.now(), ended_at=clock.now(),
            notices=notices,
        )
        for due in missed
    ]  # fmt: skip
    known.extend(keep(schedule, each) for each in found)
    return found


def _tell_cut_off(
    schedule: Schedule, known: list[Attempt], clock: Clock, but: datetime | None = None
) -> list[Attempt]:
    """Close attempts whose process died, and tell the hook of those no further one follows.

    The lock is held, so none of them still runs. `but` is the due time that is tried again now.
    """
    found = []
    for place, each in enumerate(known):
        last = not any(other.due == each.due and other.number > each.number for other in known)
        if each.status != "running" and (each.final or not last):
            continue
        closed = each
        if each.status == "running":
            said = "its process ended"
            closed = each.changed(status="interrupted", error=said, ended_at=clock.now())
        if last and each.due != but:
            closed = _told(schedule, closed.changed(final=True), known)
            found.append(closed)
        known[place] = keep(schedule, closed)
    return found


def _told(schedule: Schedule, ended: Attempt, known: list[Attempt]) -> Attempt:
    """Tell the hook of a final attempt, if it is news."""
    event = news.event_of(ended, known)
    if event is None or not schedule.notify:
        return ended
    told = news.payload(schedule, event, ended, news.last_good(ended, known))
    return ended.changed(notices=(notify(schedule.notify, told, schedule.project),))


@dataclass(frozen=True)
class _Call:
    """One call of a timer, with all it works with."""

    settings: Settings
    schedule: Schedule
    clock: Clock
    report: Report
    stale: Stale

    def once(self, asked: datetime | None, force: bool) -> Done:
        """Run the due time that is asked for, or the last one, unless it is done."""
        now, known = self.clock.now(), attempts(self.schedule)
        due = self._due(asked, now)
        _tell_cut_off(self.schedule, known, self.clock, but=due)
        if due is None:
            following = self.schedule.calendar.next_due(now).isoformat()
            return Done(None, f"nothing was due since it was scheduled; next {following}")
        _tell_missed(self.schedule, due, known, self.clock)
        tried = [each for each in known if each.due == due and each.number]
        # One that was cut off is taken up again, however late.
        if tried and tried[-1].final and tried[-1].status != "interrupted" and not force:
            return Done(tried[-1], f"done for {due.isoformat()}: {tried[-1].status}")
        if due > now:
            self.clock.sleep((due - now).total_seconds())
        return self._try(due, known, first=len(tried) + 1, again=force)

    def _due(self, asked: datetime | None, now: datetime) -> datetime | None:
        calendar = self.schedule.calendar
        if asked is None:
            last = calendar.previous_due(now + _EARLY)
            return last if last > self.schedule.created_at else None
        if asked > now or calendar.previous_due(asked) != asked:
            last = calendar.previous_due(min(asked, now))
            raise UsageError(
                f"{asked.isoformat()} is no due time of {self.schedule.id} that has passed",
                hint=f"the last before was {last.isoformat()}",
            )
        return asked

    def _try(self, due: datetime, known: list[Attempt], first: int, again: bool) -> Done:
        """Try until it passes, fails for good, or the attempts are used up."""
        # For all attempts together: the delay before a further one was waiting already.
        fresh_until = self.clock.now() + timedelta(seconds=self.schedule.wait_fresh_s)
        # One that died counts, but never so that none is left.
        last = self.schedule.retry + (first if again else 1)
        number = first
        while True:
            begun = Attempt(
                schedule=self.schedule.id, report=self.schedule.report, due=due, number=number,
                started_at=self.clock.now(),
            )  # fmt: skip
            ended, error = self._one(keep(self.schedule, begun), fresh_until)
            if number >= last or not is_transient(error):
                # Kept before the hook is called: whatever happens there, this has happened.
                ended = keep(self.schedule, ended.changed(final=True))
                ended = keep(self.schedule, _told(self.schedule, ended, known))
                said = f"{ended.status} for {due.isoformat()}, attempt {number}"
                if ended.grade == "stale":
                    said += ", on stale data"
                return Done(ended, said, error)
            keep(self.schedule, ended)
            self.clock.sleep(self.schedule.delay_s(number - first + 1))
            number += 1

    def _one(self, begun: Attempt, fresh_until: datetime) -> tuple[Attempt, WorkbenchError | None]:
        before, run = self._newest_run(), None
        error: WorkbenchError | None = None
        try:
            if self.schedule.wait_fresh_s:
                self._wait_fresh(begun.due, fresh_until)
            run = self.report(self.settings, self.schedule.report, self._parameters(begun.due))
            run.raise_for_checks()
        except WorkbenchError as raised:
            error = raised
        except Exception as raised:  # a timer has nobody to see a traceback
            error = Unexpected(one_line(raised))
            error.__cause__ = raised
        if run is None:
            # A run that stopped keeps what it did until then.
            newest = self._newest_run()
            run = newest if newest and (not before or newest.folder != before.folder) else None
        return begun.changed(
            status=status_of(error),
            exit_code=error.exit_code if error else 0,
            error=str(error) if error else None,
            ended_at=self.clock.now(),
            run=run.summary["run"] if run else None,
            folder=str(run.folder) if run else None,
            failed_checks=tuple(c["name"] for c in run.failed_checks) if run else (),
            # Of now: the page of a run that was found is older.
            freshness=(run.freshness or run.summary.get("freshness")) if run else None,
        ), error

    def _parameters(self, due: datetime) -> dict[str, str]:
        as_of = {"as_of": due.isoformat()} if self.schedule.as_of == "due" else {}
        return {**self.schedule.parameters, **as_of}

    def _newest_run(self) -> ReportRun | None:
        return next(iter(list_runs(self.settings, self.schedule.report)), None)

    def _wait_fresh(self, due: datetime, until: datetime) -> None:
        while (why := self.stale(self.settings, due)) is not None:
            left = (until - self.clock.now()).total_seconds()
            if left <= 0:
                raise StaleData(
                    f"the data is not fresh for {due.isoformat()}: {why}",
                    hint="`workbench status` shows what is behind",
                )
            self.clock.sleep(min(_LOOK_S, left))
