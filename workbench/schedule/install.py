"""Timers of this user: put there on request, and taken away again."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Literal

from workbench.errors import StackError
from workbench.schedule.cron import cron_text, markers
from workbench.schedule.schedules import Schedule
from workbench.schedule.systemd import service_text, timer_text, unit_name
from workbench.stack.files import write_atomic

Kind = Literal["systemd", "cron"]


def units_folder() -> Path:
    """Return the folder of this user's systemd units (``XDG_CONFIG_HOME`` is respected)."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "systemd" / "user"


def units(schedule: Schedule, now: datetime) -> dict[Path, str]:
    """Return the unit files of a schedule and what they hold."""
    base = units_folder() / unit_name(schedule)
    return {
        base.with_name(f"{base.name}.timer"): timer_text(schedule, now),
        base.with_name(f"{base.name}.service"): service_text(schedule),
    }


def crontab_lines(schedule: Schedule, now: datetime) -> str:
    """Return the lines of a schedule for the cron of this machine."""
    return cron_text(schedule, now, knows_zones=cron_knows_zones())


def cron_knows_zones() -> bool:
    """Say whether this machine's cron reads ``CRON_TZ``: only cronie says who it is."""
    if shutil.which("crontab") is None:
        return False
    done = subprocess.run(
        ["crontab", "-V"], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    return "cronie" in done.stdout + done.stderr


def install(schedule: Schedule, kind: Kind, now: datetime) -> None:
    """Put a schedule's timer in place, over an older one of its own; the other kind is removed.

    Raises
    ------
    StackError
        Where there is no systemd of this user, or no cron; says what to do.
    """
    if kind == "cron":
        text = crontab_lines(schedule, now)
        kept = without_lines(_crontab(), schedule)
        # At the end: a CRON_TZ holds for all lines below it, and these are nobody else's.
        _write_crontab((f"{kept.rstrip()}\n\n" if kept.strip() else "") + text)
        _remove_units(schedule)
        return
    if shutil.which("systemctl") is None:
        raise StackError("no systemctl on this machine", hint="give --cron")
    for file, text in units(schedule, now).items():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, text)
    _systemctl("daemon-reload")
    _systemctl("enable", f"{unit_name(schedule)}.timer")
    # A timer that is active goes by its old times until it is started anew.
    _systemctl("restart", f"{unit_name(schedule)}.timer")
    _remove_lines(schedule)


def uninstall(schedule: Schedule) -> None:
    """Take a schedule's timer away; nothing of anybody else's is touched."""
    _remove_units(schedule)
    _remove_lines(schedule)


def installed(schedule: Schedule) -> Kind | None:
    """Return which timer of a schedule is in place."""
    if (units_folder() / f"{unit_name(schedule)}.timer").is_file():
        return "systemd"
    if shutil.which("crontab") and markers(schedule)[0] in _crontab():
        return "cron"
    return None


def _remove_units(schedule: Schedule) -> None:
    files = [units_folder() / f"{unit_name(schedule)}.{kind}" for kind in ("timer", "service")]
    if not any(file.is_file() for file in files):
        return
    if shutil.which("systemctl"):
        # Where systemd does not run, there is no timer that could.
        _quietly("disable", "--now", f"{unit_name(schedule)}.timer")
    for file in files:
        file.unlink(missing_ok=True)
    if shutil.which("systemctl"):
        _quietly("daemon-reload")


def _quietly(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemctl", "--user", *words], check=False, capture_output=True, text=True
    )


def _systemctl(*words: str) -> None:
    done = _quietly(*words)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[0]
        raise StackError(
            f"systemctl --user {' '.join(words)}: {said}",
            hint="the units are written; run it in a login session of this user, or give --cron",
        )


# ---------------------------------------------------------------- crontab


def _crontab() -> str:
    """The crontab of this user; empty where there is none."""
    if shutil.which("crontab") is None:
        raise StackError("no crontab on this machine", hint="install cron, or give --systemd")
    done = subprocess.run(["crontab", "-l"], check=False, capture_output=True, text=True)
    if done.returncode and "no crontab" not in done.stderr.lower():
        # Not empty but unknown: writing now could lose somebody's lines.
        said = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[0]
        raise StackError(f"crontab -l: {said}", hint="may this user have a crontab?")
    return "" if done.returncode else done.stdout


def _write_crontab(text: str) -> None:
    done = subprocess.run(["crontab", "-"], input=text, check=False, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[0]
        raise StackError(f"crontab: {said}", hint="nothing was changed")


def without_lines(crontab: str, schedule: Schedule) -> str:
    """Return a crontab without the lines between a schedule's markers."""
    begin, end = map(re.escape, markers(schedule))
    # From the last begin before an end: a marker whose other half somebody removed keeps its lines.
    ours = rf"^{begin}\n(?:(?!{begin}$).*\n)*?{end}(?:\n|\Z)\n?"
    return re.sub(ours, "", crontab, flags=re.MULTILINE)


def _remove_lines(schedule: Schedule) -> None:
    if shutil.which("crontab") is None:
        return
    before = _crontab()
    after = without_lines(before, schedule)
    if after != before:
        _write_crontab(after)
