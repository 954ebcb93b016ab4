"""The parameters cell of a notebook as a typed model: it is read, never run.

Each assignment of the cell tagged ``parameters`` is one parameter: its annotation is the type, its
value the default, its comment what ``report show --parameters`` says of it. ``notebooks/NAME.toml``
may add bounds.
"""

from __future__ import annotations

import ast
import io
import json
import tokenize
import tomllib
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

from pydantic import BeforeValidator, Field, create_model

from workbench.contracts import TABLES
from workbench.errors import UsageError, did_you_mean, quoted
from workbench.lake.views import DERIVED
from workbench.reports.freshness import FreshnessLimits
from workbench.reports.known_values import InLake
from workbench.reports.parameters import AsOf, ReportParameters, ReportSpec, When

#: Types that an annotation may name.
TYPES: dict[str, Any] = {
    "str": Annotated[str, Field(max_length=10_000)],
    "int": int,
    "float": float,
    "bool": bool,
    "Decimal": Decimal,
    "date": date,
    "datetime": When,
    # Names that the lake has to know when it is run.
    "Symbol": Annotated[str, Field(max_length=200), InLake("symbol")],
    "Account": Annotated[str, Field(max_length=200), InLake("account")],
    "Sector": Annotated[str, Field(max_length=200), InLake("sector")],
}
#: Bounds that NAME.toml may set for a parameter.
_BOUNDS = ("ge", "gt", "le", "lt", "min_length", "max_length", "pattern")
#: Not for people: every report gets it from the run.
INJECTED = "snapshots"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def spec_of_notebook(path: Path) -> ReportSpec | None:
    """Return the report that a notebook is, or None where it is none.

    A report has a cell tagged ``parameters`` and is not marked as exploration.

    Raises
    ------
    UsageError
        For a parameters cell or a NAME.toml that cannot be read; names the line.
    """
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        metadata = notebook.get("metadata", {})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    found = [c for c in cells if "parameters" in c.get("metadata", {}).get("tags", [])]
    if not found or is_exploration(metadata):
        return None
    extra = _extra(path.with_suffix(".toml"))
    model = parameters_of_cell(
        "".join(found[0]["source"]), extra.get("parameters", {}), f"{path.name}, parameters cell"
    )
    title = str(extra.get("title") or _heading(notebook) or path.stem)
    return ReportSpec(path.stem, title, model, _freshness(path, extra), path)


def is_exploration(metadata: Mapping[str, Any]) -> bool:
    """Return whether a notebook's metadata says that it is no report.

    >>> is_exploration({"workbench": {"kind": "exploration"}})
    True
    """
    marked = metadata.get("workbench")
    return isinstance(marked, Mapping) and marked.get("kind") == "exploration"


def parameters_of_cell(
    source: str, bounds: Mapping[str, Any], where: str = "the parameters cell"
) -> type[ReportParameters]:
    """Return the model of a parameters cell.

    Parameters
    ----------
    source
        The text of the cell: assignments of constants. It is parsed, not run.
    bounds
        Bounds by parameter: ``{"top": {"ge": 1, "le": 50}}``.
    where
        What an error names.

    Raises
    ------
    UsageError
        For a statement that is no such assignment, a type that is not known, a bound that does
        not fit.

    Examples
    --------
    >>> model = parameters_of_cell("top: int = 10  # symbols", {"top": {"ge": 1}})
    >>> model(top="5").top, model.model_fields["top"].description
    (5, 'symbols')
    """
    statements, comments = _parsed(source, where), _comments(source)
    fields: dict[str, Any] = {}
    for statement in statements:
        at = f"{where}, line {statement.lineno}"
        name, annotation, value = _assignment(statement, at)
        if name is None or name == INJECTED:
            continue
        default = _constant(value, at)
        given = dict(bounds.get(name, {}))
        told = given.pop("description", comments.get(statement.lineno, ""))
        if name == "as_of":
            # As for every report: a moment, also where the cell says that it is text.
            fields[name] = (AsOf | None, Field(default=default, description=told or _AS_OF))
        else:
            kind = _type(annotation, default, at)
            if choices := given.pop("choices", None):
                kind = Literal[tuple(choices)]
            if unknown := set(given) - {*_BOUNDS}:
                raise UsageError(
                    f"{where}: parameter {name} has no bound {min(unknown)!r}",
                    hint="known: choices, description, " + ", ".join(_BOUNDS),
                )
            fields[name] = (kind, Field(default=default, description=told, **given))
        # Each by itself first, so that an error names the line.
        _model({name: fields[name]}, at)
    if stray := set(bounds) - set(fields):
        raise UsageError(f"{where} has no parameter {min(stray)!r} to set bounds for")
    return _model(fields, where)


_AS_OF = str(ReportParameters.model_fields["as_of"].description)


def _parsed(source: str, where: str) -> list[ast.stmt]:
    try:
        return ast.parse(source).body
    except SyntaxError as error:
        at = f", line {error.lineno}" if error.lineno else ""
        raise UsageError(f"{where}{at}: {error.msg}", hint="mend the cell") from error
    except (ValueError, MemoryError, RecursionError) as error:
        raise UsageError(f"{where}: it is no Python ({error})", hint="mend the cell") from error


def _model(fields: Mapping[str, Any], where: str) -> type[ReportParameters]:
    try:
        model = create_model("NotebookParameters", __base__=ReportParameters, **fields)
        model.model_validate({name: field[1].default for name, field in fields.items()})
    except Exception as error:  # pydantic says in many ways that it has no use for a field
        first = [line.strip() for line in str(error).splitlines()][:3]
        raise UsageError(f"{where}: {' '.join(first)}", hint="type, default and bounds") from error
    return model


def _assignment(statement: ast.stmt, where: str) -> tuple[str | None, ast.expr | None, ast.expr]:
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        if statement.value is not None:
            return statement.target.id, statement.annotation, statement.value
    elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        return statement.targets[0].id, None, statement.value
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return None, None, statement.value
    raise UsageError(
        f"{where}: only assignments of constants are allowed",
        hint="write for example `top: int = 10  # symbols in the ranking`",
    )


def _constant(value: ast.expr, where: str) -> Any:
    try:
        return ast.literal_eval(value)
    except (ValueError, TypeError, MemoryError, RecursionError) as error:
        raise UsageError(
            f"{where}: the default is no constant", hint="compute it in a later cell"
        ) from error


def _type(annotation: ast.expr | None, default: Any, where: str) -> Any:
    if annotation is None:
        return _type_of_default(default, where)
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return _type(_type_in_quotes(annotation.value, where), default, where)
    if isinstance(annotation, ast.Constant) and annotation.value is None:
        return None
    if isinstance(annotation, ast.Name) and annotation.id in TYPES:
        return TYPES[annotation.id]
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        sides = [_type(side, default, where) for side in (annotation.left, annotation.right)]
        if None in sides:
            [kind] = [side for side in sides if side is not None] or [None]
            return Annotated[Optional[kind], BeforeValidator(_none)]  # noqa: UP045
    if isinstance(annotation, ast.Subscript) and isinstance(annotation.value, ast.Name):
        inner = annotation.slice
        if annotation.value.id == "Literal":
            parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return Literal[tuple(_constant(part, where) for part in parts)]
        if annotation.value.id == "list":
            return Annotated[list[_type(inner, default, where)], BeforeValidator(_listed)]  # type: ignore[misc]
        if annotation.value.id == "dict" and isinstance(inner, ast.Tuple):
            key, value = (_type(part, default, where) for part in inner.elts)
            return Annotated[dict[key, value], BeforeValidator(_listed)]  # type: ignore[valid-type]
    raise UsageError(
        f"{where}: the type {ast.unparse(annotation)!r} is not known",
        hint="known: " + ", ".join(TYPES) + ", list[...], dict[...], Literal[...], ... | None",
    )


def _type_in_quotes(text: str, where: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise UsageError(
            f"{where}: the type {quoted(text)} cannot be read", hint='write for example "Decimal"'
        ) from error


def _type_of_default(default: Any, where: str) -> Any:
    if default is None:
        return Annotated[TYPES["str"] | None, BeforeValidator(_none)]
    if isinstance(default, list | dict):
        return Annotated[type(default), BeforeValidator(_listed)]
    if type(default).__name__ in TYPES:
        return TYPES[type(default).__name__]
    raise UsageError(f"{where}: the default {default!r} has a type that is not known")


def _none(value: Any) -> Any:
    return None if value in ("", "none", "None") else value


def _listed(value: Any) -> Any:
    """Text as a list: JSON, or parts between commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip()[:1] in ("[", "{"):
        return json.loads(value)
    return [part.strip() for part in value.split(",") if part.strip()]


def _comments(source: str) -> dict[int, str]:
    found = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            found[token.start[0]] = token.string.lstrip("# ").strip()
    return found


def _heading(notebook: Mapping[str, Any]) -> str | None:
    for cell in notebook["cells"]:
        for line in "".join(cell["source"]).splitlines():
            if cell["cell_type"] == "markdown" and line.startswith("# "):
                return line.removeprefix("# ").strip()
    return None


def _extra(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path.name} is not TOML: {error}", hint="mend that line") from error
    if unknown := set(found) - {"title", "freshness", "parameters"}:
        raise UsageError(
            f"{path.name}: no key {min(unknown)!r}", hint="known: title, freshness, parameters"
        )
    given = found.get("parameters", {})
    tables = {"parameters": given, "freshness": found.get("freshness", {})}
    if isinstance(given, dict):
        tables |= {f"parameters.{name}": each for name, each in given.items()}
    for name, each in tables.items():
        if not isinstance(each, dict):
            raise UsageError(
                f"{path.name}: {name} is no table", hint=f"write [{name}] and its values below it"
            )
    return found


def _freshness(path: Path, extra: Mapping[str, Any]) -> FreshnessLimits | None:
    given = dict(extra.get("freshness", {}))
    if not given:
        return None
    plain = FreshnessLimits()
    try:
        limits = FreshnessLimits(
            _span(given.pop("degraded_after", plain.degraded_after)),
            _span(given.pop("stale_after", plain.stale_after)),
            _table(given.pop("table", plain.table), f"{path.stem}.toml, freshness"),
        )
    except (ValueError, KeyError) as error:
        raise UsageError(
            f"{path.stem}.toml, freshness: {error} is no duration", hint='write for example "90m"'
        ) from error
    if given:
        raise UsageError(
            f"{path.stem}.toml, freshness: no key {min(given)!r}",
            hint="known: degraded_after, stale_after, table",
        )
    return limits


def _table(name: Any, where: str) -> str:
    """A table whose newest event counts: that of a view is its table's."""
    known = [table.name for table in TABLES]
    found = DERIVED.get(str(name), str(name))
    if found not in known:
        hint = did_you_mean(str(name), [*known, *DERIVED])
        raise UsageError(f"{where}: no table {quoted(name)}", hint=hint)
    return found


def _span(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    text = str(value).strip()
    return timedelta(**{_UNITS[text[-1:]]: int(text[:-1])})
