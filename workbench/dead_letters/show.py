"""A dead letter as text: everything that is known, the failing field marked, nothing dangerous.

What was refused may have been made to be refused: control characters, among them those that move
a terminal's cursor or turn the direction of text, are shown as escapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from workbench.contracts import Record
from workbench.contracts.strict_json import RepeatedNames, parse_json
from workbench.contracts.topics import TOPICS
from workbench.dead_letters.edit import quoted, scalar
from workbench.dead_letters.letters import Letter
from workbench.dead_letters.original import Original
from workbench.lake.times import show_moment
from workbench.terminal import escape

#: More of a value is no reading matter; `dlq list --export` has all of it.
SHOWN_CHARACTERS = 20_000
_FIELD = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\.\w+)?: ")


def failing_field(letter: Letter) -> str | None:
    """Return the field that an error message is about; None where it is about the whole value.

    The message begins with the field's name, by the rules of `workbench.contracts.reader`.
    """
    found = _FIELD.match(letter.error_message)
    record = _record(letter)
    names = {field.name for field in record.fields} if record else set()
    return found[1] if found and found[1] in names else None


def _record(letter: Letter) -> Record | None:
    return next((topic.record for topic in TOPICS if topic.name == letter.id.topic), None)


def describe(letter: Letter, original: Original) -> str:
    """Return everything about a letter as text for a terminal.

    Examples
    --------
    >>> print(describe(letter, originals(settings, [letter])[letter.id.coordinates]))
    ... # doctest: +SKIP
    """
    facts = [
        ("id", str(letter.id)),
        ("state", _state(letter)),
        ("refused", f"{show_moment(letter.failed_at)} by {letter.id.job}, into {letter.topic}"),
        ("reason", f"{letter.error_type}: {letter.error_message}"),
    ]
    if original.key is not None:
        facts.append(("key", original.key.decode("utf-8", "backslashreplace")))
    for name, value in original.headers:
        shown = (value or b"").decode("utf-8", "backslashreplace")
        facts.append((f"header {name}", shown))
    size = "" if original.value is None else f"{len(original.value):,} bytes, "
    facts.append(("value", f"{size}{original.note}"))
    width = max(len(name) for name, _ in facts)
    head = [f"{escape(name).ljust(width)}  {escape(value)}" for name, value in facts]
    return "\n".join([*head, *_body(letter, original)])


def _state(letter: Letter) -> str:
    if letter.replayed_at is None:
        return letter.state
    times = "" if letter.replays == 1 else f", {letter.replays} times in all"
    return f"replayed {show_moment(letter.replayed_at)} to {letter.replayed_to}{times}"


def _body(letter: Letter, original: Original) -> list[str]:
    value = original.value
    text = letter.original_value if value is None else value.decode("utf-8", "backslashreplace")
    if text is None:
        return []
    try:
        lines = list(_marked(parse_json(text), failing_field(letter)))
    except ValueError:
        # Not JSON: as it is, its lines as lines.
        lines = [f"  {line}" for line in text.split("\n")]
    shown: list[str] = []
    left = SHOWN_CHARACTERS
    for line in lines:
        if left <= 0:
            break
        shown.append(escape(line[:left]))
        left -= len(line)
    if left < 0 or len(shown) < len(lines):
        shown.append("  (more of it with `workbench dlq list --export FILE`)")
    return shown


def _marked(parsed: Any, failing: str | None) -> Iterator[str]:
    """The lines of a JSON value, those of the failing field with ``>`` in front."""
    if not isinstance(parsed, dict) or not parsed:
        yield from (f"  {line}" for line in _pretty(parsed, ""))
        return
    names = list(parsed)
    yield "  {"
    for name in names:
        mark = ">" if name == failing else " "
        lines = list(_pretty(parsed[name], "  "))
        lines[0] = f"  {quoted(name)}: {lines[0]}"
        if name != names[-1]:
            lines[-1] += ","
        yield from (f"{mark} {line}" for line in lines)
    yield "  }"
    if isinstance(parsed, RepeatedNames):
        twice = sorted({name for name in parsed.names if parsed.names.count(name) > 1})
        yield f"> (more than once: {', '.join(map(quoted, twice))}; the last is shown)"
    if failing is not None and failing not in parsed:
        yield f"> ({quoted(failing)} is missing)"


def _pretty(value: Any, indent: str) -> Iterator[str]:
    """The lines of a value; the first stands behind its name."""
    if not isinstance(value, dict | list) or not value:
        yield "{}" if value == {} else "[]" if value == [] else scalar(value)
        return
    inner = indent + "  "
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    items = list(value.items()) if isinstance(value, dict) else [(None, item) for item in value]
    yield opening
    for number, (name, item) in enumerate(items, start=1):
        lines = list(_pretty(item, inner))
        lines[0] = f"{inner}{quoted(name) + ': ' if name is not None else ''}{lines[0]}"
        if number < len(items):
            lines[-1] += ","
        yield from lines
    yield f"{indent}{closing}"
