"""Values that are written out are the values that DuckDB would have bound."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.lake import binding

WRITTEN = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.datetimes(timezones=st.just(UTC)),
)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        made.execute("SET TimeZone = 'UTC'")
        yield made


@pytest.fixture(scope="module", autouse=True)
def without_pandas() -> Iterator[None]:
    """As in a process that has not loaded it: DuckDB binds the expected values all the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(binding, "sys", SimpleNamespace(modules={}))
        yield


@given(a=WRITTEN, b=WRITTEN)
def test_written_values_are_bound_ones(
    connection: duckdb.DuckDBPyConnection, a: object, b: object
) -> None:
    sql = "SELECT $a, typeof($a), $b, typeof($b)  -- the same"
    values = {"a": a, "b": b}
    assert binding._written(values) is not None
    expected = connection.execute(sql, values).fetchall()
    assert binding.run(connection, sql, values).fetchall() == expected


class Number(int):
    def __str__(self) -> str:
        return "1); DROP TABLE t; --"


@pytest.mark.parametrize(
    "value",
    [
        "1); DROP TABLE t; --", "", None, True, 1.5, Decimal(1), ["x"], Number(1),
        datetime(2024, 8, 8),  # noqa: DTZ001
        datetime(2024, 8, 8, tzinfo=timezone(timedelta(hours=1))),
    ],
)  # fmt: skip
def test_anything_else_is_bound_by_duckdb(
    connection: duckdb.DuckDBPyConnection, value: Any
) -> None:
    assert binding._written({"n": 1, "value": value}) is None
    expected = connection.execute("SELECT $value", {"value": value}).fetchall()
    assert binding.run(connection, "SELECT $value", {"value": value}).fetchall() == expected


@pytest.mark.parametrize("values", [[1], {}, {"n); DROP TABLE t; --": 1}])
def test_names_that_are_none_are_duckdbs_too(values: Any) -> None:
    assert binding._written(values) is None


@pytest.mark.parametrize("values", [{"m": 1}, {"n": 1, "m": 2}])
def test_a_name_too_few_or_too_many_is_refused_alike(
    connection: duckdb.DuckDBPyConnection, values: dict[str, int]
) -> None:
    with pytest.raises(duckdb.Error) as bound:
        connection.execute("SELECT $n", values)
    with pytest.raises(duckdb.Error) as written:
        binding.run(connection, "SELECT $n", values)
    assert type(bound.value) is type(written.value)
