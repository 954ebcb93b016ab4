"""Ids that stay in compiled plans, and what a plan can go on from."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flink_jobs import plans
from flink_jobs.ddl import FUNCTIONS
from flink_jobs.plans import (
    ACCUMULATORS,
    IncompatibleState,
    checked,
    numbered,
    operators,
    problems,
    with_accumulators,
)

SUM = {"internalName": "$SUM$1", "name": "total", "argList": [1], "type": "BIGINT"}


def scan(number: int, table: str = "source_trades") -> dict[str, Any]:
    identifier = f"`default_catalog`.`default_database`.`{table}`"
    return {
        "id": number,
        "type": "stream-exec-table-source-scan_1",
        "description": "",
        "scanTableSource": {"table": {"identifier": identifier}},
    }


def sink(number: int, identifier: str = "`lake`.`market`.`trades`") -> dict[str, Any]:
    return {
        "id": number,
        "type": "stream-exec-sink_1",
        "description": "",
        "dynamicTableSink": {"table": {"identifier": identifier}},
    }


def calc(number: int) -> dict[str, Any]:
    return {"id": number, "type": "stream-exec-calc_1", "description": ""}


def over(number: int, *calls: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": number,
        "type": "stream-exec-over-aggregate_1",
        "description": "OverAggregate(partitionBy=[symbol], orderBy=[arrival ASC])",
        "overSpec": {"partition": {"fields": [0]}, "groups": [{"aggCalls": list(calls)}]},
    }


def plan(*nodes: dict[str, Any]) -> dict[str, Any]:
    ids = [node["id"] for node in nodes]
    edges = [{"source": a, "target": b} for a, b in itertools.pairwise(ids)]
    return {"flinkVersion": "2.1", "nodes": list(nodes), "edges": edges}


def ids(of: dict[str, Any]) -> dict[str, int]:
    return {operator.role: operator.id for operator in operators(of)}


@given(first=st.integers(1, 500), before=st.integers(0, 5), after=st.integers(0, 5))
def test_ids_do_not_depend_on_what_else_is_in_the_plan(first, before, after):
    """A calculation more or less, or a plan compiled after another: the ids stay."""
    numbers = iter(range(first, first + 100))
    nodes = [scan(next(numbers))]
    nodes += [calc(next(numbers)) for _ in range(before)]
    nodes += [over(next(numbers), SUM)]
    nodes += [calc(next(numbers)) for _ in range(after)]
    nodes += [sink(next(numbers))]
    known = {"source trades": 1, "over-aggregate by symbol": 7, "table market.trades": 2}
    renumbered = numbered(plan(*nodes), known)
    assert ids(renumbered) == known
    every = [node["id"] for node in renumbered["nodes"]]
    assert len(set(every)) == len(every)
    chain = [(edge["source"], edge["target"]) for edge in renumbered["edges"]]
    assert chain == list(itertools.pairwise(every))


def test_new_operators_get_the_next_ids():
    found = numbered(plan(scan(1), over(2, SUM), sink(3)), {"source trades": 4})
    assert ids(found) == {
        "source trades": 4,
        "over-aggregate by symbol": 5,
        "table market.trades": 6,
    }


def test_operators_that_are_alike_are_counted():
    found = operators(plan(scan(1), over(2, SUM), over(3, SUM), sink(4)))
    assert [operator.role for operator in found][1:3] == [
        "over-aggregate by symbol",
        "over-aggregate by symbol #2",
    ]


def test_the_catalog_of_a_deployment_is_no_part_of_a_role():
    one, other = (plan(sink(1, f"`{name}`.`ops`.`late_rows`")) for name in ("lake", "prod"))
    assert ids(one) == ids(other) == {"table ops.late_rows": 1}


def test_names_and_positions_do_not_change_a_state():
    other = {**SUM, "name": "volume", "argList": [9]}
    assert not problems(plan(over(1, SUM)), plan(over(1, other)))


@pytest.mark.parametrize(
    ("after", "why"),
    [
        (plan(scan(1), sink(3)), "over-aggregate by symbol is gone"),
        (plan(scan(1), over(2, SUM, SUM), sink(3)), "keeps something else"),
        (plan(scan(1), over(2, {**SUM, "type": "DOUBLE"}), sink(3)), "keeps something else"),
        (plan(scan(1), over(9, SUM), sink(3)), "has id 9 instead of 2"),
    ],
)
def test_a_plan_that_cannot_go_on_is_refused(after, why):
    before = plan(scan(1), over(2, SUM), sink(3))
    with pytest.raises(IncompatibleState, match=why):
        checked(after, before)


OPEN_CLOSE = {"systemName": "open_close", "name": "oc", "argList": [1], "type": "ROW<...>"}


@pytest.mark.parametrize("windowed", [False, True])
def test_a_function_that_keeps_something_else_is_refused(windowed):
    def calling(number: int) -> dict[str, Any]:
        node = over(2, OPEN_CLOSE, SUM)
        if windowed:
            calls = node.pop("overSpec")["groups"][0]["aggCalls"]
            node |= {"type": "stream-exec-group-window-aggregate_1", "aggCalls": calls}
        return with_accumulators(plan(scan(1), node), {"open_close": number, "price_move": 9})

    # A plan of before there were numbers is one of the first.
    assert calling(1) == plan(*calling(1)["nodes"]) and "accumulator" not in str(calling(1))
    assert not problems(calling(1), calling(1)) and not problems(calling(2), calling(2))
    for before, after in ((1, 2), (2, 3), (2, 1)):
        with pytest.raises(IncompatibleState, match="keeps something else"):
            checked(calling(after), calling(before))
    dropped = checked(calling(2), calling(1), drop_state=True)
    assert max(ids(dropped).values()) > 1_000_000 and not problems(dropped, dropped)


#: What each number of `ACCUMULATORS` stands for, as the sources declare it. Where a test fails,
#: count the number up in `flink_jobs.plans` and write what it keeps now beside it.
KEPT = {
    ("open_close", 1): [
        "open_price DECIMAL(18, 8)", "open_time BIGINT", "open_offset BIGINT",
        "close_price DECIMAL(18, 8)", "close_time BIGINT", "close_offset BIGINT",
    ],
    ("price_move", 1): [
        "baselinePrice DECIMAL(18, 8)", "baselineTime Long", "lastMove Long",
        "moveBaselinePrice DECIMAL(18, 8)", "moveBaselineTime Long",
        "movePercent DECIMAL(18, 2)", "moveSeverity String",
    ],
}  # fmt: skip


def declared(source: str) -> list[str]:
    """The fields of an accumulator: of the class `State`, or of the row that `row` returns."""
    state = re.search(r"class State \{(.*?)\n    \}", source, re.DOTALL)
    if state:
        field = r'public (?:@DataTypeHint\("([^"]+)"\) )?(\w+) (\w+);'
        found = [f"{name} {hint or java}" for hint, java, name in re.findall(field, state[1])]
        assert len(found) == state[1].count(";")
        return found
    types = dict(re.findall(r"DataType (\w+)\(\) \{\s+return DataTypes\.(\w+\([^()]*\))", source))
    fields = re.findall(r'DataTypes\.FIELD\("(\w+)", (\w+)\(\)\)', source)
    assert len(fields) == source.count("DataTypes.FIELD(")
    return [f"{name} {types[kind].removesuffix('()')}" for name, kind in fields]


def test_what_a_function_keeps_has_a_number_of_its_own():
    folder = Path(plans.__file__).parent / "functions"
    sources = {path.stem: path.read_text("utf-8") for path in folder.glob("*.java")}
    keeping = {name for name, text in sources.items() if "extends AggregateFunction<" in text}
    classes = {name: FUNCTIONS[name].rpartition(".")[2] for name in ACCUMULATORS}
    assert set(classes.values()) == keeping
    for name, number in ACCUMULATORS.items():
        assert declared(sources[classes[name]]) == KEPT[name, number]
    assert len({(name, *fields) for (name, _), fields in KEPT.items()}) == len(KEPT)


def test_what_is_added_is_no_problem():
    before = plan(scan(1), sink(2))
    after = plan(scan(1), over(3, SUM), sink(2), sink(4, "`lake`.`market`.`closes`"))
    assert checked(after, before) == after


def test_dropped_state_gives_only_those_operators_new_ids():
    before = plan(scan(1), over(2, SUM), sink(3))
    after = checked(plan(scan(1), over(2, SUM, SUM), sink(3)), before, drop_state=True)
    found = ids(after)
    assert found["source trades"] == 1 and found["table market.trades"] == 3
    assert found["over-aggregate by symbol"] > 1_000_000
    assert after["edges"][0]["target"] == found["over-aggregate by symbol"]


def test_a_job_whose_state_was_dropped_goes_on_with_its_new_ids():
    role = "over-aggregate by symbol"
    before = plan(scan(1), over(2, SUM), sink(3))
    dropped = checked(plan(scan(1), over(2, SUM, SUM), sink(3)), before, drop_state=True)
    again = checked(plan(scan(1), over(2, SUM, SUM), sink(3)), dropped)
    assert ids(again) == ids(dropped)
    # Dropped once more, it gets an id that neither the first nor the second state has.
    third = checked(plan(scan(1), over(2, SUM), sink(3)), dropped, drop_state=True)
    assert ids(third)[role] not in (2, ids(dropped)[role])
