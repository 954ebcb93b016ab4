"""The notify hook: a command that reads JSON, or an address that takes it."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from workbench.errors import UsageError
from workbench.provenance import HIDDEN, hide, hide_in_text
from workbench.schedule.history import Notice

COMMAND_TIMEOUT_S = 30.0
WEBHOOK_TIMEOUT_S = 10.0
_LONGEST_DETAIL = 300
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def check_target(text: str) -> str:
    """Return a hook that a timer can call: the program of a command with its whole path.

    Raises
    ------
    UsageError
        For an address that is neither https nor on this machine, and a program that is not there.
    """
    if _ADDRESS.match(text):
        _check_address(text)
        return text
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(
            f"--notify cannot be read: {error}", hint="quote it as in a shell"
        ) from None
    program = shutil.which(words[0]) if words else None
    if program is None:
        raise UsageError(
            f"--notify: no program {words[0] if words else ''!r}",
            hint="name a command and its arguments, or an https:// address",
        )
    return shlex.join([str(Path(program).absolute()), *words[1:]])


def _check_address(text: str) -> None:
    fix = "use https://, or http:// on this machine"
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise UsageError("--notify: that is no address", hint=fix) from None
    if not host or not text.isprintable() or " " in text:
        raise UsageError("--notify: that is no address", hint=fix)
    if parts.username is not None:
        raise UsageError(
            f"--notify: the address of {host} carries a user",
            hint="urllib sends none: call curl with --netrc as a command",
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_here(host)):
        raise UsageError(f"--notify: {parts.scheme}://{host} can be read on its way", hint=fix)


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def shown_target(text: str) -> str:
    """Return a hook as it may be printed: of an address the machine, of a command no secrets.

    Examples
    --------
    >>> shown_target("https://hooks.example.com/services/T0/B0/x7")
    'https://hooks.example.com/(hidden)'
    >>> shown_target("/usr/bin/send --token x7 --to desk API_KEY=x8")
    '/usr/bin/send --token (hidden) --to desk API_KEY=(hidden)'
    """
    if _ADDRESS.match(text):
        parts = urlsplit(text)
        hidden = f"/{HIDDEN}" if parts.path.strip("/") or parts.query else ""
        return f"{parts.scheme}://{parts.netloc}{hidden}"
    words = shlex.split(text)
    shown = (_without(word, secret) for word, secret in zip(words, _in(words), strict=True))
    return " ".join(word if HIDDEN in word else shlex.quote(word) for word in shown)


def _without(word: str, secret: str | None) -> str:
    shown = word.replace(secret, HIDDEN) if secret else word
    return str(hide("", shown))


def _in(words: list[str]) -> Iterator[str | None]:
    """The secret of each word: behind its = or :, or all of it behind an option that says so."""
    before = ""
    for word in words:
        name, mark, value = next(
            (part for part in (word.partition("="), word.partition(":")) if part[1]), (word, "", "")
        )
        if before.startswith("-") and not word.startswith("-") and hide(before, word) == HIDDEN:
            yield word
        else:
            yield value.strip() if mark and value and hide(name, value) == HIDDEN else None
        before = word


def notify(target: str, payload: Mapping[str, Any], project: Path) -> Notice:
    """Tell the hook; what goes wrong there is kept and nothing else.

    Parameters
    ----------
    target
        What `check_target` returned.
    payload
        Sent as one JSON object; see ``docs/scheduling.md``.
    project
        Working folder of a command.
    """
    text = json.dumps(payload, default=str)
    try:
        if _ADDRESS.match(target):
            _post(target, text)
        else:
            _call(shlex.split(target), text, payload, project)
    except Exception as error:  # whatever a hook does, the report ran
        return Notice(
            event=payload["event"],
            target=shown_target(target),
            ok=False,
            detail=_clean(target, str(error) or type(error).__name__),
        )
    return Notice(event=payload["event"], target=shown_target(target), ok=True)


def _clean(target: str, said: str) -> str:
    secrets = {"password": target} if _ADDRESS.match(target) else {}
    if not secrets:
        secrets = {f"password{i}": each for i, each in enumerate(_in(shlex.split(target))) if each}
    line = (hide_in_text(said, secrets).strip().splitlines() or [""])[-1]
    return line[:_LONGEST_DETAIL]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """What is sent goes to the address that was checked and to no other."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _post(url: str, text: str) -> None:
    _check_address(url)
    request = urllib.request.Request(
        url, text.encode(), {"Content-Type": "application/json", "User-Agent": "workbench"}
    )
    handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
    if url.startswith("http:"):
        handlers.append(urllib.request.ProxyHandler({}))
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=WEBHOOK_TIMEOUT_S):
            pass
    except urllib.error.HTTPError as error:
        raise OSError(f"answered {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise OSError(str(error.reason)) from None


def _call(words: list[str], text: str, payload: Mapping[str, Any], project: Path) -> None:
    # Files, not pipes: whatever a hook leaves running cannot hold us back.
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
        given.write(text.encode())
        given.seek(0)
        process = subprocess.Popen(
            words,
            stdin=given,
            stdout=said,
            stderr=subprocess.STDOUT,
            cwd=project,
            env={**os.environ, **variables(payload)},
            start_new_session=True,
        )
        try:
            code = process.wait(COMMAND_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise TimeoutError(f"not done after {COMMAND_TIMEOUT_S:.0f} s") from None
        if code:
            raise OSError(f"ended with {code}: {_last_line(said)}")


def _last_line(file: IO[bytes]) -> str:
    file.seek(0)
    lines = file.read(65_536).decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def variables(payload: Mapping[str, Any]) -> dict[str, str]:
    """Return the same in short as variables of the environment.

    Examples
    --------
    >>> variables({"event": "failure", "failed_checks": [{"name": "volume"}]})
    {'REPORT_EVENT': 'failure', 'REPORT_FAILED_CHECKS': 'volume'}
    >>> variables({"event": "stale", "freshness": {"grade": "stale"}})
    {'REPORT_EVENT': 'stale', 'REPORT_FRESHNESS': 'stale'}
    """
    # Not WORKBENCH_*: those are settings, and a hook may call the workbench.
    names = ("event", "status", "schedule", "report", "due", "error", "run", "folder", "page")
    found = {f"REPORT_{n.upper()}": str(payload[n]) for n in names if payload.get(n) is not None}
    if payload.get("freshness"):
        found["REPORT_FRESHNESS"] = str(payload["freshness"]["grade"])
    checks = [str(check["name"]) for check in payload.get("failed_checks", [])]
    return found | ({"REPORT_FAILED_CHECKS": "\n".join(checks)} if checks else {})
