"""Keep the jobs of a deployment running: what was cut off is started again from where it was.

A job should run when it was submitted and nobody has stopped, drained or cancelled it since: its
bookmark says so. When such a job is not on the cluster any more (a killed JobManager takes all of
them with it) or has failed for good, it is submitted again from its newest checkpoint. Parts of the
embedded stack that died are mended first; what a person ended stays ended, also through Flink
itself: that is noted while the cluster remembers it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace

from workbench.config import Settings
from workbench.errors import WorkbenchError
from workbench.jobs.bookmark import (
    BusyError,
    locked,
    one_at_a_time,
    read_bookmark,
    restore_point,
)
from workbench.jobs.cluster import Cluster
from workbench.jobs.deployment import job_names
from workbench.jobs.resuming import resume, to_resume
from workbench.jobs.settling import settle, unsettled
from workbench.provenance import one_line
from workbench.stack import Stack, endpoints
from workbench.stack.health import StackStatus, wanted_parts

Say = Callable[[str], None]
#: Seconds before the second attempt; each further one waits twice as long.
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 300.0
#: A job that ran for this long has recovered: its next failure is a first one.
HEALTHY_AFTER_S = 120.0
#: A part that runs but does not answer may only be slow: starting it anew would make it worse.
SLOW_S = 30.0
#: A remote cluster may be about to bring its jobs back by itself, as one with ZooKeeper does.
REMOTE_GRACE_S = 30.0


@dataclass
class Attempts:
    """What was tried for one thing, and when it may be tried again.

    Examples
    --------
    >>> attempts = Attempts()
    >>> attempts.due(0.0)
    True
    >>> attempts.made(0.0)
    >>> attempts.due(1.0), attempts.due(5.0)
    (False, True)
    """

    made_so_far: int = 0
    last: float = 0.0
    not_before: float = 0.0

    def due(self, now: float) -> bool:
        return now >= self.not_before

    def made(self, now: float) -> None:
        """Note an attempt: whether it helped shows later."""
        pause = min(FIRST_PAUSE_S * 2**self.made_so_far, LONGEST_PAUSE_S)
        self.made_so_far, self.last, self.not_before = self.made_so_far + 1, now, now + pause

    def well(self, now: float) -> None:
        """Forget the attempts where all has been well for long enough."""
        if now - self.last > HEALTHY_AFTER_S:
            self.made_so_far, self.not_before = 0, 0.0


def only_one(settings: Settings) -> AbstractContextManager[None]:
    """Keep a second supervisor of the same stack folder out."""
    return locked(
        settings,
        "supervisor.lock",
        "supervised already",
        "one `workbench jobs supervise` is enough; end the other one first",
    )


@dataclass
class Supervisor:
    """Looks at stack and jobs, and mends what is broken.

    Parameters
    ----------
    settings
        The settings in force.
    say
        Told each action in one line.
    grace_s
        How long a job may be gone from a remote cluster before it is submitted again.
    slow_s
        How long a part that runs may fail to answer before it is started anew.

    Examples
    --------
    >>> from workbench.config import load_settings
    >>> Supervisor(load_settings(), print).look()  # doctest: +SKIP
    """

    settings: Settings
    say: Say
    grace_s: float = REMOTE_GRACE_S
    slow_s: float = SLOW_S
    _attempts: dict[str, Attempts] = field(default_factory=dict)
    _missing_since: dict[str, float] = field(default_factory=dict)
    _slow_since: float | None = None
    #: Whether something was only given time in the last look.
    _waits: bool = False
    #: A failed start takes back what it had begun, which then looks as if it was ended in order.
    _owes_stack: bool = False
    _said: str = ""

    def run(self, stop: threading.Event, interval_s: float) -> None:
        """Look every `interval_s` seconds until `stop` is set."""
        while not stop.is_set():
            try:
                self.look()
            except Exception as error:
                # Also what nobody thought of: without this process nothing is mended.
                self._say_once(one_line(error))
            except KeyboardInterrupt:
                # A signal during the start of a part, which has been taken back.
                break
            stop.wait(interval_s)

    def look_once(self, interval_s: float) -> None:
        """Look, and go on looking for as long as something is given time to mend itself.

        Raises
        ------
        WorkbenchError
            What could not be mended.
        """
        self.look()
        while self._waits:
            time.sleep(interval_s)
            self.look()

    def look(self) -> None:
        """Mend the stack, then the jobs.

        Raises
        ------
        WorkbenchError
            What could not be mended; the next look tries again, after a pause that grows.
        """
        self._waits = False
        if self._stack_is_up():
            self._mend_jobs()

    def _say_once(self, line: str) -> None:
        if line != self._said:
            self.say(line)
        self._said = line

    def _of(self, name: str) -> Attempts:
        return self._attempts.setdefault(name, Attempts())

    def _stack_is_up(self) -> bool:
        """Mend the embedded parts; say whether jobs can be looked at."""
        if not wanted_parts(self.settings):
            return True
        stack = Stack(self.settings)
        found = stack.status()
        now = time.monotonic()
        if found.healthy:
            self._owes_stack, self._slow_since = False, None
            self._of("stack").well(now)
            return True
        if found.down and not self._owes_stack:
            self._say_once("the stack was ended in order and is left so: `workbench stack up`")
            return False
        self._slow_since = self._slow_since or now
        dead = any(part.state == "dead" for part in found.parts) or self._owes_stack
        if not self._of("stack").due(now):
            return False
        if not dead and now - self._slow_since < self.slow_s:
            self._waits = True
            return False
        self._of("stack").made(now)
        self.say(f"mending {_broken(found)}")
        self._owes_stack = True
        stack.up()
        self._owes_stack, self._slow_since = False, None
        self.say("the stack is up again")
        return True

    def _mend_jobs(self) -> None:
        cluster = Cluster(endpoints(self.settings, kafka=False).rest_url)
        self._note(cluster)
        lost = to_resume(self.settings, cluster)
        now = time.monotonic()
        self._missing_since = {name: self._missing_since.get(name, now) for name in lost}
        for name, attempts in self._attempts.items():
            if name != "stack" and name not in lost:
                attempts.well(now)
        due = [name for name in lost if self._is_due(name, now)]
        # Together where nothing is known against them: one client for all. One that failed is
        # tried alone, so that it holds up nobody else.
        first = [name for name in due if not self._of(name).made_so_far]
        failed: list[WorkbenchError] = []
        for group in (first, *([name] for name in due if name not in first)):
            before = {name: replace(self._of(name)) for name in group}
            for name in group:
                self._of(name).made(now)
            try:
                if group and resume(self.settings, group, self.say):
                    self._said = ""
            except BusyError:
                # Somebody starts or stops jobs, perhaps these: no attempt was made.
                self._attempts |= before
                return
            except WorkbenchError as error:
                failed.append(error)
        if failed:
            raise failed[0]

    def _note(self, cluster: Cluster) -> None:
        """Keep what the cluster will forget: who was ended through Flink itself, for one."""
        if unsettled(self.settings, cluster):
            # Who holds the lock changes the same files; the next look is early enough.
            with suppress(BusyError), one_at_a_time(self.settings):
                settle(self.settings, cluster)

    def _is_due(self, name: str, now: float) -> bool:
        if not self._of(name).due(now):
            return False
        if self.settings.flink.rest_url is None:
            return True
        if now - self._missing_since[name] < self.grace_s:
            self._waits = True
            return False
        known = read_bookmark(self.settings, name)
        if known is not None and restore_point(self.settings, name) == known.restored_from:
            # Where its run began is all that is known: rows would be landed twice from there.
            self._say_once(
                f"{job_names(self.settings)[name]} is gone and no checkpoint of its run lies in "
                f"{self.settings.stack_folder / 'flink' / 'checkpoints'}: submit it by hand"
            )
            return False
        return True


def _broken(status: StackStatus) -> str:
    return ", ".join(
        f"{part.part} ({part.state})"
        for part in status.parts
        if part.state not in ("running", "external")
    )
