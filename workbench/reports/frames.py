"""The pinned files of a table as a Polars frame: what the second paths of the checks read."""

from __future__ import annotations

import polars as pl

from workbench.lake.pins import Pin
from workbench.lake.schema import arrow_schema
from workbench.lake.session import Session


def frame(session: Session, table: str) -> pl.LazyFrame:
    """Return a table of a session's snapshots, read by Polars; its connection is not used.

    Examples
    --------
    >>> frame(session, "market.trades").select(pl.len()).collect()      # doctest: +SKIP
    """
    return frame_of(session.pins[table])


def frame_of(pin: Pin) -> pl.LazyFrame:
    """Return the rows of one table at its snapshot; with its columns where it is empty."""
    if not pin.files:
        empty = pl.from_arrow(arrow_schema(pin.table).empty_table())
        assert isinstance(empty, pl.DataFrame)
        return empty.lazy()
    if pin.delete_count:
        assert pin.source is not None and pin.snapshot is not None
        scan = pin.source.scan(snapshot_id=pin.snapshot.snapshot_id)
        return pl.LazyFrame(pl.from_arrow(scan.to_arrow()))
    return pl.scan_parquet(
        [file.path for file in pin.files],
        missing_columns="insert",
        extra_columns="ignore",
    )
