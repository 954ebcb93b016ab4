"""Parameters that name something of the lake: a name that is not there is refused before a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel

from workbench.errors import UsageError
from workbench.lake.session import Session


@dataclass(frozen=True)
class InLake:
    """Marks the type of a parameter whose values have to be in the pinned tables.

    Parameters
    ----------
    kind
        ``symbol``, ``account``, ``sector``, or ``book`` for a symbol with order books.
    """

    kind: str


def check_values(session: Session, values: BaseModel) -> None:
    """Refuse a name that the pinned tables do not have, by the marks of the model.

    Raises
    ------
    UsageError
        Names the parameter, the value and the nearest that there is.
    """
    checks = _checks()
    for name, field in type(values).model_fields.items():
        kinds = {mark.kind for mark in _marks((field.annotation, *field.metadata))}
        for value in _texts(getattr(values, name)) if kinds else ():
            for kind in kinds:
                try:
                    checks[kind](session, value)
                except UsageError as error:
                    raise UsageError(f"parameter {name}: {error.message}", error.hint) from error


def _checks() -> Mapping[str, Callable[[Session, str], None]]:
    from workbench.market.question import require_account, require_sector, require_symbol
    from workbench.market.spread_curve import require_book

    return {
        "symbol": require_symbol,
        "account": require_account,
        "sector": require_sector,
        "book": require_book,
    }


def _marks(types: tuple[Any, ...]) -> Iterator[InLake]:
    """The marks of a type, also those of the items of a list."""
    for each in types:
        if isinstance(each, InLake):
            yield each
        else:
            yield from _marks((*get_args(each), *getattr(each, "__metadata__", ())))


def _texts(value: Any) -> list[str]:
    """The names in a value: one, several, or none."""
    if isinstance(value, str):
        return [value]
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
