"""What holds for every question: typed, cited, exact, bound, and the same SQL as yesterday."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from workbench import market as questions
from workbench.contracts import TABLES
from workbench.lake import binding
from workbench.lake.result import Result
from workbench.lake.session import Session, open_session
from workbench.lake.views import DERIVED

Asked = Callable[..., Result]
PACKAGE = Path(inspect.getfile(questions)).parent
GOLDEN = Path(__file__).parent / "golden_sql"
#: What a question needs to be asked.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "portfolio": {"account_id": "A1"},
    "portfolio_history": {"account_id": "A1", "days": 3},
    "spread_curve": {"symbol": "AAPL"},
    "volume_profile": {"symbol": "AAPL"},
    "volume_vs_history": {"symbol": "AAPL"},
    "vwap_curve": {"symbol": "AAPL"},
}
#: Always the same rows, also of an empty lake.
FIXED_ROWS = {"reconciliation": 4, "data_quality": 5}


def ask(name: str, session: Session, **arguments: Any) -> Result:
    result: Result = getattr(questions, name)(session, **ARGUMENTS.get(name, {}), **arguments)
    return result


def takes_moment(name: str) -> bool:
    return "as_of" in inspect.signature(getattr(questions, name)).parameters


MOMENTS = [name for name in questions.__all__ if takes_moment(name)]


@pytest.mark.parametrize("name", MOMENTS)
def test_an_empty_lake_gives_empty_answers_of_the_right_columns(
    name: str, session: Session, market_session: Session
) -> None:
    empty, full = ask(name, session), ask(name, market_session)
    assert empty.arrow().num_rows == FIXED_ROWS.get(name, 0)
    assert empty.as_of is None
    assert "@ (empty)" in repr(empty)
    assert full.arrow().num_rows > 0
    assert full.arrow().schema == empty.arrow().schema


@pytest.mark.parametrize("name", questions.__all__)
def test_every_answer_is_typed_and_cited_and_never_a_double(
    name: str, market_session: Session
) -> None:
    answer = ask(name, market_session)
    schema = answer.arrow().schema
    assert not any(str(field.type) in ("double", "float") for field in schema)
    pins = market_session.snapshots
    assert answer.snapshots == {table: pins[table] for table in answer.snapshots}
    assert answer.as_of is not None
    assert set(answer.units) <= set(answer.columns)
    numbers = [f.name for f in schema if re.match(r"decimal|int|timestamp", str(f.type))]
    # What is held against what, and its unit beside it in each row.
    named = {"found", "of_all"} if name == "data_quality" else set()
    assert set(numbers) - named <= set(answer.units)
    assert answer.caption in answer._repr_html_()


@pytest.mark.parametrize("name", MOMENTS)
def test_the_tables_that_are_read_are_the_ones_that_are_named(
    name: str, market_session: Session
) -> None:
    with _Listening(market_session) as heard:
        answer = ask(name, market_session)
        heard.add(answer)
    # Not the look-ups of a symbol that is not known.
    texts = [text for text, _ in heard.asked if "AS known\n" not in text]
    read = {table for text in texts for table in re.findall(r"\b(?:market|ops)\.\w+", text)}
    assert {DERIVED.get(table, table) for table in read} == set(answer.snapshots)


@pytest.mark.parametrize("name", questions.__all__)
def test_an_answer_does_not_depend_on_how_its_values_are_bound(
    name: str, market_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = ask(name, market_session).arrow()
    monkeypatch.setattr(binding, "sys", SimpleNamespace(modules={}))
    assert ask(name, market_session).arrow().equals(bound)


def test_every_table_has_a_question() -> None:
    texts = "".join(path.read_text("utf-8") for path in PACKAGE.glob("*.sql"))
    texts += (PACKAGE.parent / "dead_letters" / "letters.sql").read_text("utf-8")
    views = {base: view for view, base in DERIVED.items()}
    for table in TABLES:
        assert table.name in texts or views[table.name] in texts, table.name


#: Dead letters have no event time; a day without volume is a row of its own.
ALWAYS_SOMETHING = ("data_quality", "volume_vs_history")


@pytest.mark.parametrize("name", [name for name in MOMENTS if name not in ALWAYS_SOMETHING])
def test_a_moment_before_everything_gives_what_an_empty_lake_gives(
    name: str, market_session: Session, session: Session
) -> None:
    early = ask(name, market_session, as_of="2001-01-01")
    assert early.rows() == ask(name, session).rows()


@pytest.mark.parametrize("name", questions.__all__)
def test_no_question_looks_at_the_wall_clock(name: str) -> None:
    source = inspect.getsource(importlib.import_module(f"workbench.market.{name}"))
    sql = "".join(path.read_text("utf-8") for path in PACKAGE.glob(f"{name}*.sql"))
    assert not re.search(r"\b(now|today)\(|\bcurrent_(date|time)", sql)
    assert not re.search(r"\b(now|today|utcnow)\(", source)


@pytest.mark.parametrize("name", questions.__all__)
def test_a_question_explains_itself(name: str) -> None:
    text = inspect.getdoc(getattr(questions, name)) or ""
    for section in ("Parameters", "Returns", "Examples"):
        assert f"{section}\n---" in text, section
    if name != "reference_data":
        assert "Raises\n---" in text and "Notes\n---" in text


@pytest.mark.parametrize("name", questions.__all__)
def test_every_column_is_explained(name: str, market_session: Session) -> None:
    text = inspect.getdoc(getattr(questions, name)) or ""
    for column in ask(name, market_session).columns:
        tail = re.sub(r"^\w+?(?=_\d+[dm])", "", column)
        assert f"``{column}``" in text or f"``{tail}``" in text, column


# -- the SQL -------------------------------------------------------------------------------------


class _Listening:
    """Every query with its values, as a question sends it."""

    def __init__(self, session: Session) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._session = session
        self._arrow = session.arrow

    def __enter__(self) -> _Listening:
        # What is kept for the next question is asked by this one all the same.
        self._session.arrow = self.arrow  # type: ignore[method-assign]
        self._session.arrow_once = self.arrow  # type: ignore[method-assign]
        return self

    def __exit__(self, *error: object) -> None:
        del self._session.arrow, self._session.arrow_once

    def arrow(self, sql: str, params: Any = None) -> Any:
        self._add(sql, params)
        return self._arrow(sql, params)

    def add(self, result: Result) -> None:
        self._add(str(result.sql), result.parameters)

    def _add(self, sql: str, params: Any) -> None:
        if (sql, dict(params or {})) not in self.asked:
            self.asked.append((sql, dict(params or {})))


def golden(name: str, session: Session) -> str:
    """The columns of an answer, and the SQL behind it with the values that were bound."""
    with _Listening(session) as heard:
        answer = ask(name, session)
        heard.add(answer)
        schema = answer.arrow().schema
    lines = [f"-- {answer.caption}", "--"]
    for field in schema:
        unit = answer.units.get(field.name)
        lines.append(f"-- {field.name}: {field.type}{f' [{unit}]' if unit else ''}")
    for sql, values in heard.asked:
        lines += [
            "",
            *(f"-- ${key} = {value!r}" for key, value in sorted(values.items())),
            sql.strip(),
        ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", questions.__all__)
def test_the_sql_is_the_golden_one(name: str, market_session: Session) -> None:
    file = GOLDEN / f"{name}.sql"
    assert file.is_file(), "write it with `python -m tests.unit.test_market_all`"
    written = file.read_text("utf-8")
    assert written == golden(name, market_session), (
        "a question asks something else than before; where that is meant: "
        "python -m tests.unit.test_market_all"
    )


def test_no_golden_file_is_left_over() -> None:
    assert {file.stem for file in GOLDEN.glob("*.sql")} == set(questions.__all__)


@pytest.mark.parametrize("name", questions.__all__)
def test_values_are_bound_and_never_pasted(name: str, market_session: Session) -> None:
    texts = [path.read_text("utf-8").strip() for path in PACKAGE.glob("*.sql")]
    with _Listening(market_session) as heard:
        heard.add(ask(name, market_session))
    for sql, values in heard.asked:
        assert any(sql.strip().endswith(text) for text in texts)
        for key in values:
            assert f"${key}" in sql


@pytest.mark.parametrize("name", ["vwap_curve", "volume_profile", "spread_curve"])
def test_hostile_text_is_a_symbol_that_nobody_knows(name: str, market_session: Session) -> None:
    from workbench.errors import UsageError

    with pytest.raises(UsageError, match="DROP TABLE"):
        getattr(questions, name)(market_session, "'; DROP TABLE market.trades; --")


def main() -> None:
    """Renew the golden files."""
    import tempfile

    from tests.unit.market_lake import build

    GOLDEN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, open_session(build(Path(folder)).settings) as s:
        for name in questions.__all__:
            (GOLDEN / f"{name}.sql").write_text(golden(name, s), "utf-8")


if __name__ == "__main__":
    main()
