"""Compiled plans whose operators keep their ids, and whether a plan can go on from a state.

Flink finds the state of an operator by the operator's id. In a compiled plan the ids are numbers
that are counted up while it is compiled: a column more, a statement more, and they may all be
others. So each operator with state has a role here (`sink market.trades`), the file
``operators.json`` beside a job's SQL says which id each role has, for ever, and a plan is
renumbered by it before it runs. What else runs has no state and gets an id from `FIRST_STATELESS`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Plan = dict[str, Any]
HERE = Path(__file__).parent
FIRST_STATELESS = 1_000
#: Ids of operators that start anew under a job whose state they cannot go on from.
FIRST_RENEWED = 1_000_000

#: What keeps nothing between two records, or between two checkpoints.
STATELESS = {
    "calc",
    "correlate",
    "exchange",
    "union",
    "values",
    "expand",
    "watermark-assigner",
    "mini-batch-assigner",
    "local-window-aggregate",
    "local-group-aggregate",
}
#: What each function that keeps something keeps, as a number: a plan names the function and not
#: its accumulator. Whoever changes an accumulator counts its number up, and savepoints of before
#: are refused before a job is stopped for them.
ACCUMULATORS = {"open_close": 1, "price_move": 1}
_KIND = re.compile(r"stream-exec-(.+)_\d+")
_KEYS = re.compile(r"(?:groupBy|partitionBy)=\[([^\]]*)\]")
_TABLE = re.compile(r"`([^`]+)`")


class IncompatibleState(Exception):
    """A job cannot go on from the state of the one before."""


@dataclass(frozen=True)
class Operator:
    """An operator with state: what it is called, its id, and a digest of how its state looks."""

    role: str
    id: int
    state: str


def _kind(node: dict[str, Any]) -> str:
    match = _KIND.fullmatch(node["type"])
    return match.group(1) if match else str(node["type"])


def _table(node: dict[str, Any], part: str) -> str:
    catalog, database, name = _TABLE.findall(node[part]["table"]["identifier"])
    # Tables of the lake have a namespace; the catalog's own name is a setting.
    return name if catalog == "default_catalog" else f"{database}.{name}"


def _role(node: dict[str, Any]) -> str:
    kind = _kind(node)
    if kind == "table-source-scan":
        return f"source {_table(node, 'scanTableSource').removeprefix('source_')}"
    if kind == "sink":
        identifier = node["dynamicTableSink"]["table"]["identifier"]
        where = "topic" if "`default_catalog`" in identifier else "table"
        return f"{where} {_table(node, 'dynamicTableSink')}"
    keys = _KEYS.search(node["description"])
    by = f" by {keys.group(1)}" if keys else ""
    window = _window(node)
    return f"{kind}{by}" + (f" of {window['size']}" if window else "")


def _window(node: dict[str, Any]) -> dict[str, Any] | None:
    """The kind and the size of a node's windows; None where it has none."""
    window = node.get("window")
    return {"kind": window["kind"], "size": window["size"]} if window else None


def _layout(value: Any) -> Any:
    """What of a node decides how its state looks, names and positions left out."""
    if isinstance(value, dict):
        left_out = ("name", "argList", "filterArg", "reference", "description", "constants")
        return {k: _layout(v) for k, v in value.items() if k not in left_out}
    return [_layout(each) for each in value] if isinstance(value, list) else value


def _state(node: dict[str, Any]) -> str:
    if _kind(node) in ("table-source-scan", "sink"):
        # Offsets, and transactions that are about to be committed: no matter which columns.
        return "-"
    parts = {
        "type": node["type"],
        "aggregates": node.get("aggCalls"),
        "over": [group["aggCalls"] for group in node.get("overSpec", {}).get("groups", [])],
        "window": _window(node),
        "keys": len(node.get("grouping") or node.get("overSpec", {}).get("partition", {})),
    }
    if not parts["aggregates"] and not parts["over"]:
        unlike = ("id", "inputProperties")
        parts = {key: value for key, value in node.items() if key not in unlike}
    return hashlib.sha256(json.dumps(_layout(parts), sort_keys=True).encode()).hexdigest()[:16]


def with_accumulators(plan: Plan, numbers: dict[str, int] = ACCUMULATORS) -> Plan:
    """Return the plan with the number of what each function keeps, at each call of it.

    The first number is left out, as in plans that are older than the numbers: they are the same.
    Flink takes from a call what it knows.
    """
    stamped: Plan = json.loads(json.dumps(plan))
    for node in stamped["nodes"]:
        for call in _calls(node):
            number = numbers.get(call.get("systemName", ""), 1)
            if number > 1:
                call["accumulator"] = number
    return stamped


def _calls(node: dict[str, Any]) -> list[dict[str, Any]]:
    """The calls of functions that keep something from one row to the next."""
    groups = [node, *node.get("overSpec", {}).get("groups", [])]
    return [call for group in groups for call in group.get("aggCalls") or []]


def operators(plan: Plan) -> list[Operator]:
    """Return the operators with state of a plan, in its order, with the ids they have there."""
    found = []
    seen: Counter[str] = Counter()
    for node in plan["nodes"]:
        if _kind(node) in STATELESS:
            continue
        role = _role(node)
        seen[role] += 1
        number = f" #{seen[role]}" if seen[role] > 1 else ""
        found.append(Operator(role + number, node["id"], _state(node)))
    return found


def registry_file(job: str) -> Path:
    """Return the file that says which id each operator of a job has."""
    return HERE / job / "operators.json"


def registry(job: str) -> dict[str, int]:
    """Return the id of each role of a job, as the job's ``operators.json`` says."""
    file = registry_file(job)
    known = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    return {role: operator["id"] for role, operator in known.items()}


def numbered(plan: Plan, ids: dict[str, int]) -> Plan:
    """Return the plan with the ids of its roles; roles without one get the next free ids.

    Examples
    --------
    >>> plan = {"nodes": [{"id": 7, "type": "stream-exec-calc_1"}], "edges": []}
    >>> numbered(plan, {})["nodes"][0]["id"]
    1000
    """
    wanted = dict(ids)
    new: dict[int, int] = {}
    for operator in operators(plan):
        if operator.role not in wanted:
            wanted[operator.role] = max(wanted.values(), default=0) + 1
        new[operator.id] = wanted[operator.role]
    for node in plan["nodes"]:
        new.setdefault(node["id"], FIRST_STATELESS + len(new))
    return _renamed(plan, new)


def _renamed(plan: Plan, new: dict[int, int]) -> Plan:
    """The plan with other ids; those that are not named stay."""

    def id_of(before: int) -> int:
        return new.get(before, before)

    nodes = [{**node, "id": id_of(node["id"])} for node in plan["nodes"]]
    edges = [
        {**edge, "source": id_of(edge["source"]), "target": id_of(edge["target"])}
        for edge in plan["edges"]
    ]
    return {**plan, "nodes": nodes, "edges": edges}


def checked(new: Plan, previous: Plan | None, *, drop_state: bool = False) -> Plan:
    """Return the plan to run for a job that ran `previous` before.

    Parameters
    ----------
    new, previous
        Plans with the ids of their roles.
    drop_state
        Let operators that cannot go on start empty, instead of refusing.

    Raises
    ------
    IncompatibleState
        Where an operator cannot go on from its state.
    """
    if previous is None:
        return new
    new = _with_renewed(new, previous)
    found = problems(previous, new)
    if found and not drop_state:
        raise IncompatibleState("; ".join(f"{role} {why}" for role, why in found.items()))
    return without_state(new, set(found), previous)


def _with_renewed(new: Plan, previous: Plan) -> Plan:
    """Return the plan with the ids of operators that were renewed before."""
    before = {operator.role: operator.id for operator in operators(previous)}
    renewed = {role: number for role, number in before.items() if number > FIRST_RENEWED}
    mine = {operator.role: operator.id for operator in operators(new)}
    return _renamed(new, {mine[role]: renewed[role] for role in mine.keys() & renewed.keys()})


def problems(old: Plan, new: Plan) -> dict[str, str]:
    """Return why operators of `new` cannot go on from the state of `old`, by role.

    What is new has no state to go on from and starts empty: that is no problem.
    """
    after = {operator.role: operator for operator in operators(new)}
    found = {}
    for operator in operators(old):
        other = after.get(operator.role)
        if other is None:
            found[operator.role] = "is gone"
        elif other.state != operator.state:
            found[operator.role] = "keeps something else"
        elif other.id != operator.id:
            found[operator.role] = f"has id {other.id} instead of {operator.id}"
    return found


def with_idle_timeout(plan: Plan, millis: int) -> Plan:
    """Return the plan with another idle timeout of its sources; 0 for none.

    A plan brings it along, with all that is written in its SQL; table options it takes from where
    it runs.
    """
    changed: Plan = json.loads(json.dumps(plan))
    for node in changed["nodes"]:
        for ability in node.get("scanTableSource", {}).get("abilities", []):
            if "idleTimeoutMillis" in ability:
                ability["idleTimeoutMillis"] = millis
    return changed


def without_state(new: Plan, roles: set[str], previous: Plan) -> Plan:
    """Return the plan with ids nobody had for these roles: they start empty."""
    taken = {node["id"] for plan in (new, previous) for node in plan["nodes"]}
    first = max([FIRST_RENEWED, *taken]) + 1
    renewed = [operator.id for operator in operators(new) if operator.role in roles]
    return _renamed(new, {before: first + n for n, before in enumerate(renewed)})
