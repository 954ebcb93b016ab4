"""Which tables a maintainer works on, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from workbench.contracts import TABLES, Table, table_named
from workbench.errors import LakeError
from workbench.lake.damage import load_table

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table as IcebergTable

T = TypeVar("T")


def chosen(names: Sequence[str]) -> list[Table]:
    """Return the contracts of these names; all of them for none.

    Raises
    ------
    UsageError
        For an unknown table; names the nearest.

    Examples
    --------
    >>> [table.name for table in chosen(["market.trades"])]
    ['market.trades']
    """
    return [table_named(name) for name in dict.fromkeys(names)] or list(TABLES)


def each(
    catalog: Catalog,
    contracts: Sequence[Table],
    work: Callable[[Table, IcebergTable | None], T],
    failed: Callable[[Table, LakeError], T],
) -> Iterator[T]:
    """Do the work for every table; a broken one does not keep the others from it."""
    for contract in contracts:
        try:
            yield work(contract, load_table(catalog, contract.name))
        except LakeError as error:
            yield failed(contract, error)
