"""Two runs side by side: the figures and tables that differ, and what is different behind them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
#: As for a double.
_LARGEST_EXPONENT = 308
Summary = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """One value that differs, or one row or figure that only one run has.

    Parameters
    ----------
    kind
        ``figure``, ``table`` or ``check``.
    name
        Of the figure, table or check.
    where
        Row and column of a table; empty otherwise.
    before, after
        The values; None where a run does not have it.
    what
        ``changed``, ``added`` or ``removed``.
    absolute, relative
        ``after - before``, and that by ``|before|``; None where they are no numbers.
    """

    kind: str
    name: str
    where: str
    before: Any
    after: Any
    what: str = "changed"
    absolute: Decimal | None = None
    relative: float | None = None


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Parameters
    ----------
    before, after
        Ids of the runs.
    changes
        What differs in what the reports say.
    identical
        Names of the figures and tables that are the same, ``figure volume``.
    data
        Tables of which they read different snapshots: ``table``, ``before``, ``after``.
    parameters
        Parameters that differ: ``name``, ``before``, ``after``.
    code, packages
        Files and package versions that differ.
    """

    before: str
    after: str
    changes: tuple[Change, ...]
    identical: tuple[str, ...]
    data: tuple[dict[str, Any], ...]
    parameters: tuple[dict[str, Any], ...]
    code: tuple[str, ...]
    packages: tuple[str, ...]

    def __repr__(self) -> str:
        causes = ", ".join(self.causes()) or "nothing"
        return (
            f"<{self.before} -> {self.after}: {len(self.changes)} changed, "
            f"{len(self.identical)} figures and tables identical; behind them differs: {causes}>"
        )

    @property
    def same(self) -> bool:
        """Whether both say the same."""
        return not self.changes

    def causes(self) -> list[str]:
        """Return what is different behind the numbers: ``data``, ``parameters``, ``code``..."""
        kinds = ("data", "parameters", "code", "packages")
        return [kind for kind in kinds if getattr(self, kind)]

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values; decimals as exact text."""
        told = asdict(self)
        for change in told["changes"]:
            if change["absolute"] is not None:
                change["absolute"] = format(change["absolute"], "f")
        return {**told, "same": self.same, "causes": self.causes()}


def compare(before: Summary, after: Summary) -> Comparison:
    """Compare two report.json.

    Parameters
    ----------
    before, after
        What report.json holds of two runs, usually of one report.

    Returns
    -------
    Comparison
        Exact: two numbers are the same when they are equal as decimals.
    """
    changes = [*_figures(before, after), *_tables(before, after), *_verdicts(before, after)]
    touched = {(change.kind, change.name) for change in changes}
    known = [("figure", one["name"]) for one in before["figures"]]
    known += [("table", one["name"]) for one in before.get("tables", [])]
    identical = [f"{kind} {name}" for kind, name in known if (kind, name) not in touched]
    return Comparison(
        str(before["run"]),
        str(after["run"]),
        tuple(changes),
        tuple(identical),
        tuple(_data(before, after)),
        tuple(_parameters(before, after)),
        tuple(_code(before.get("code", {}), after.get("code", {}))),
        tuple(
            f"{name} {old or 'none'} -> {new or 'none'}"
            for name, old, new in _differing(before["versions"], after["versions"])
        ),
    )


def _figures(before: Summary, after: Summary) -> Iterator[Change]:
    old = {one["name"]: one for one in before["figures"]}
    new = {one["name"]: one for one in after["figures"]}
    for name in dict.fromkeys([*old, *new]):
        if name not in new:
            yield Change("figure", name, "", old[name]["value"], None, "removed")
        elif name not in old:
            yield Change("figure", name, "", None, new[name]["value"], "added")
        else:
            yield from _values("figure", name, "", old[name]["value"], new[name]["value"])
            yield from _values("figure", name, "unit", old[name]["unit"], new[name]["unit"])


def _verdicts(before: Summary, after: Summary) -> Iterator[Change]:
    old = {one["name"]: one["passed"] for one in before["checks"]}
    new = {one["name"]: one["passed"] for one in after["checks"]}
    for name, was, now in _differing(old, new):
        words = {True: "passed", False: "FAILED", None: None}
        if name in old and name in new:
            yield Change("check", name, "", words[was], words[now])


def _tables(before: Summary, after: Summary) -> Iterator[Change]:
    old = {one["name"]: one for one in before.get("tables", [])}
    new = {one["name"]: one for one in after.get("tables", [])}
    for name in dict.fromkeys([*old, *new]):
        if name not in new:
            yield Change("table", name, "", f"{old[name]['row_count']} rows", None, "removed")
        elif name not in old:
            yield Change("table", name, "", None, f"{new[name]['row_count']} rows", "added")
        elif old[name]["sha256"] != new[name]["sha256"]:
            yield from _rows(name, old[name], new[name])


def _rows(name: str, old: Summary, new: Summary) -> Iterator[Change]:
    key = old["key"] if old["key"] == new["key"] else []
    left, right = _by_key(old["rows"], key), _by_key(new["rows"], key)
    found = False
    for row in dict.fromkeys([*left, *right]):
        if row not in right or row not in left:
            found = True
            gone = row not in right
            rest = _told((left if gone else right)[row], key)
            what = "removed" if gone else "added"
            yield Change("table", name, row, rest if gone else None, None if gone else rest, what)
            continue
        for column in dict.fromkeys([*left[row], *right[row]]):
            pair = left[row].get(column), right[row].get(column)
            for change in _values("table", name, f"{row}, {column}", *pair):
                found = True
                yield change
    if not found:
        # Beyond the rows that are kept, or in another order.
        where = "rows that are not kept, or their order"
        yield Change("table", name, where, f"{old['row_count']} rows", f"{new['row_count']} rows")


def _by_key(rows: list[dict[str, Any]], key: list[str]) -> dict[str, dict[str, Any]]:
    if not key:
        return {f"row {number}": row for number, row in enumerate(rows, 1)}
    found: dict[str, dict[str, Any]] = {}
    seen: Counter[str] = Counter()
    for row in rows:
        called = " ".join(str(row.get(name)) for name in key)
        seen[called] += 1
        # A key that a report has chosen may not tell all of them apart.
        found[called if seen[called] == 1 else f"{called} ({seen[called]})"] = row
    return found


def _told(row: Mapping[str, Any], key: list[str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.items() if name not in key)


def _values(kind: str, name: str, where: str, old: Any, new: Any) -> Iterator[Change]:
    a, b = number_of(old), number_of(new)
    if a is None or b is None:
        if old != new:
            yield Change(kind, name, where, old, new)
    elif a != b:
        absolute = b - a
        relative = float(absolute / abs(a)) if a else None
        yield Change(kind, name, where, old, new, "changed", absolute, relative)


def number_of(value: Any) -> Decimal | None:
    """Return a value of report.json as a number, or None where it is none.

    >>> number_of("1.50"), number_of(2), number_of("AAPL"), number_of(True)
    (Decimal('1.50'), Decimal('2'), None, None)
    """
    if isinstance(value, bool) or value is None:
        return None
    text = str(value)
    if not _NUMBER.fullmatch(text):
        return None
    number = Decimal(text)
    # 1e9999999 is a name or nonsense; no arithmetic takes it.
    return number if abs(number.adjusted()) < _LARGEST_EXPONENT else None


def _data(before: Summary, after: Summary) -> Iterator[dict[str, Any]]:
    read = {*before.get("read", before["snapshots"]), *after.get("read", after["snapshots"])}
    for table, old, new in _differing(before["snapshots"], after["snapshots"]):
        if table in read:
            yield {
                "table": table,
                "before": old,
                "after": new,
                "rows_before": _row_count(before, table),
                "rows_after": _row_count(after, table),
            }


def _row_count(run: Summary, table: str) -> int | None:
    for source in run.get("sources", []):
        if source["table"] == table:
            count: int | None = source["rows"]
            return count
    return None


def _parameters(before: Summary, after: Summary) -> Iterator[dict[str, Any]]:
    for name, old, new in _differing(before["parameters"], after["parameters"]):
        yield {"name": name, "before": old, "after": new}


def _code(before: Summary, after: Summary) -> Iterator[str]:
    if before.get("notebook") != after.get("notebook"):
        yield "the notebook"
    if before.get("reference") != after.get("reference"):
        yield "the reference data"
    for name, _, _ in _differing(before.get("files", {}), after.get("files", {})):
        yield name


def _differing(before: Summary, after: Summary) -> Iterator[tuple[str, Any, Any]]:
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield name, before.get(name), after.get(name)
