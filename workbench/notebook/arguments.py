"""The line of ``%sql`` and ``%%sql``: ``[NAME <<] [-o FORM] [--as-of TIME] ... [QUERY]``."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from keyword import iskeyword

from workbench.errors import UsageError, did_you_mean, quoted
from workbench.lake.deadline import seconds

FORMS = ("df", "pl", "arrow", "rel")
_VALUE = r"""(?:=|\s+)("[^"]*"|'[^']*'|\S+)"""
_NAME = re.compile(r"([^\W\d]\w*)\s*<<\s*")
_OUTPUT = re.compile(rf"(?:-o|--output){_VALUE}\s*")
_AS_OF = re.compile(rf"--as-of{_VALUE}\s*")
_SNAPSHOT = re.compile(rf"--snapshot{_VALUE}\s*")
_TIMEOUT = re.compile(rf"--timeout{_VALUE}\s*")
_DEBUG = re.compile(r"--debug(?:\s+|$)")
_UNKNOWN = re.compile(r"(--?[A-Za-z][\w-]*)")
OPTIONS = ("-o", "--output", "--as-of", "--snapshot", "--timeout", "--debug")


@dataclass(frozen=True)
class Arguments:
    """What the line asks for."""

    #: Variable the answer goes to; None shows it.
    name: str | None = None
    #: One of `FORMS`; None is a `Result`.
    form: str | None = None
    #: A time, or ``$name`` of a variable that holds one.
    as_of: str | None = None
    #: A table and the id of its snapshot.
    snapshot: tuple[str, str] | None = None
    #: Seconds a statement may take.
    timeout_s: float | None = None
    debug: bool = False
    #: What is left: the query, or its beginning.
    query: str = ""


def parse_line(line: str) -> Arguments:
    """Read the line behind the magic's name.

    Raises
    ------
    UsageError
        For an option or a form that is not known, or a name no variable can have.

    Examples
    --------
    >>> parse_line("top << -o df --as-of '2024-08-08 12:00' SELECT 1")
    Arguments(name='top', form='df', as_of='2024-08-08 12:00', snapshot=None,
    timeout_s=None, debug=False, query='SELECT 1')
    """
    rest, found = line.strip(), Arguments()
    while True:
        if (match := _NAME.match(rest)) and found.name is None:
            found = replace(found, name=_variable(match[1]))
        elif match := _OUTPUT.match(rest):
            found = replace(found, form=_form(match[1].strip("\"'")))
        elif match := _AS_OF.match(rest):
            found = replace(found, as_of=match[1].strip("\"'"))
        elif match := _SNAPSHOT.match(rest):
            found = replace(found, snapshot=_snapshot(match[1].strip("\"'")))
        elif match := _TIMEOUT.match(rest):
            found = replace(found, timeout_s=_seconds(match[1]))
        elif match := _DEBUG.match(rest):
            found = replace(found, debug=True)
        elif match := _UNKNOWN.match(rest):
            _refuse(match[1])
        else:
            return replace(found, query=rest)
        rest = rest[match.end() :]


def _variable(name: str) -> str:
    if iskeyword(name):
        raise UsageError(
            f"{quoted(name)} is a word of Python, no variable", hint=f"{name}_ << is one"
        )
    return name


def _form(value: str) -> str:
    if value not in FORMS:
        raise UsageError(f"no form {quoted(value)}", hint=did_you_mean(value, FORMS))
    return value


def _snapshot(text: str) -> tuple[str, str]:
    table, _, snapshot = text.partition("=")
    if not table or not snapshot:
        raise UsageError(
            f"--snapshot takes a table and an id, got {quoted(text)}",
            hint="--snapshot market.trades=8600897673341843302",
        )
    return table, snapshot


def _seconds(text: str) -> float | None:
    try:
        return seconds(float(text))
    except ValueError as error:
        raise UsageError(
            f"--timeout takes seconds, got {quoted(text)}", hint="--timeout 30"
        ) from error


def _refuse(option: str) -> None:
    if option in OPTIONS:
        raise UsageError(f"{option} needs a value", hint="-o df, --as-of 2024-08-08, --timeout 30")
    raise UsageError(f"no option {quoted(option)}", hint=did_you_mean(option, OPTIONS))
