"""Rows as a text table and as an accessible HTML table; both show the same values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from html import escape
from typing import Any

from workbench.contracts.records import BASE, QUOTE
from workbench.terminal import escape as escape_controls

#: Longer values are cut in a repr; `rows()` has all of them.
LONGEST_VALUE = 60
#: Exact ones have up to 16 decimals; what people read has fewer.
_ROUNDED_UNITS = (BASE, QUOTE, f"{BASE} a day")
#: Columns left out that are named.
_NAMED = 12


def shown(value: Any, longest: int | None = LONGEST_VALUE) -> str:
    r"""Return a value as people read it; decimals exact, without trailing zeros.

    >>> shown(Decimal("1.50000000")), shown(Decimal("100")), shown(None)
    ('1.5', '100', '')

    What a terminal might act on is shown instead.

    >>> print(shown("A\x1b[2J"))
    A\x1b[2J
    """
    if value is None:
        return ""
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, datetime):
        return value.isoformat(sep=" ").removesuffix("+00:00")
    if isinstance(value, date):
        return value.isoformat()
    text = escape_controls(str(value).replace("\n", " ").replace("\r", " "))
    if longest is None or len(text) <= longest:
        return text
    return text[: longest - 1] + "…"


def rounded(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], units: Mapping[str, str]
) -> list[list[Any]]:
    """Return rows with money and quantities rounded half-up to the digits people read.

    Of 10,000 and more it is 2 decimals, of 1 and more 4, of less 8. Other values, and columns whose
    unit is not known, stay as they are.

    >>> rounded(["cost", "share"], [[Decimal("12345.678"), Decimal("1.23456")]],
    ...         {"cost": "quote currency", "share": "%"})
    [[Decimal('12345.68'), Decimal('1.23456')]]
    """
    coarse = [units.get(name) in _ROUNDED_UNITS for name in columns]
    return [
        [for_people(value) if each else value for value, each in zip(row, coarse, strict=True)]
        for row in rows
    ]


def for_people(value: Any) -> Any:
    """Return a decimal with the digits people read; see `rounded`. Other values as they are.

    >>> for_people(Decimal("0.1234567891")), for_people(Decimal("-7.00005")), for_people(12345)
    (Decimal('0.12345679'), Decimal('-7.0001'), 12345)
    """
    if not isinstance(value, Decimal) or not value.is_finite():
        return value
    digits = 2 if abs(value) >= 10_000 else 4 if abs(value) >= 1 else 8
    if -int(value.as_tuple().exponent) <= digits:
        return value
    return value.quantize(Decimal(1).scaleb(-digits), context=Context(60, ROUND_HALF_UP))


def _is_number(values: Sequence[Any]) -> bool:
    present = [value for value in values if value is not None]
    return bool(present) and all(
        isinstance(value, int | float | Decimal) and not isinstance(value, bool)
        for value in present
    )


def text_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    units: Mapping[str, str],
    longest: int | None = LONGEST_VALUE,
    width: int | None = None,
) -> str:
    """Return the rows as text: names, units where there are any, a rule, the values.

    With `width` the last columns that do not fit into so many characters are left out, and a line
    below says which.
    """
    numeric = [_is_number([row[i] for row in rows]) for i in range(len(columns))]
    lines = [[escape_controls(name) for name in columns]]
    if any(name in units for name in columns):
        lines.append([f"[{units[name]}]" if name in units else "" for name in columns])
    body = [[shown(value, longest) for value in row] for row in rows]
    widths = [max(len(line[i]) for line in [*lines, *body]) for i in range(len(columns))]
    fitting = _fitting(widths, width)

    def text(line: Sequence[str]) -> str:
        cells = [
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, numeric, strict=True)
        ]
        return "  ".join(cells[:fitting]).rstrip()

    rule = "  ".join("-" * width for width in widths[:fitting])
    return "\n".join([*map(text, lines), rule, *map(text, body), *_left_out(lines[0][fitting:])])


def _fitting(widths: Sequence[int], width: int | None) -> int:
    """How many of the first columns fit; one at least."""
    total, count = -2, 0
    for each in widths:
        total += each + 2
        if width is not None and count and total > width:
            return count
        count += 1
    return count


def _left_out(names: Sequence[str]) -> list[str]:
    """The line that names the columns left out; the first few, where they are many."""
    if not names:
        return []
    shown_names = [*names[:_NAMED], *(["..."] if len(names) > _NAMED else [])]
    count = f"{len(names)} more column{'' if len(names) == 1 else 's'}"
    return [f"{count} (--wide, .wide or --json shows them): {', '.join(shown_names)}"]


def html_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    units: Mapping[str, str],
    *,
    caption: str,
    note: str,
    one_line: bool = False,
) -> str:
    """Return the rows as an HTML table; every value is text, whatever it contains.

    With `one_line` a row is as high as one line, and a notebook scrolls what is wide.
    """
    numeric = [_is_number([row[i] for row in rows]) for i in range(len(columns))]
    # JupyterLab's own style lets cells break; what is said of the table alone does not reach them.
    unbroken = ";white-space:nowrap" if one_line else ""
    align = [f' style="text-align:{"right" if number else "left"}{unbroken}"' for number in numeric]

    def head(index: int, name: str) -> str:
        unit = f"<br><small>{escape(units[name])}</small>" if name in units else ""
        return f'<th scope="col"{align[index]}>{escape(name)}{unit}</th>'

    def line(row: Sequence[Any]) -> str:
        cells = (f"<td{align[i]}>{escape(shown(value))}</td>" for i, value in enumerate(row))
        return f"<tr>{''.join(cells)}</tr>"

    return (
        '<table class="workbench-result">'
        f'<caption style="text-align:left">{escape(caption)}</caption>'
        f"<thead><tr>{''.join(head(i, name) for i, name in enumerate(columns))}</tr></thead>"
        f"<tbody>{''.join(map(line, rows))}</tbody>"
        f'<tfoot><tr><td colspan="{max(len(columns), 1)}" style="text-align:left">'
        f"<small>{escape(note)}</small></td></tr></tfoot></table>"
    )
