"""A snapshot with delete files is read without the deleted rows, or refused."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat, ManifestContent
from pyiceberg.table.update import snapshot as producers

from tests.unit.conftest import Land
from tests.unit.lake_rows import at, trade
from workbench.config import Settings
from workbench.errors import LakeError
from workbench.lake.catalog import load_catalog
from workbench.lake.pins import Pin
from workbench.lake.session import open_session

# Field ids that Iceberg reserves for position deletes.
_FILE_PATH, _POS = 2147483546, 2147483545


def delete(
    lake: Settings, monkeypatch: pytest.MonkeyPatch, position: int, content: DataFileContent
) -> None:
    """Commit a delete file for one row, as an engine with merge-on-read does.

    PyIceberg cannot write one, so its data manifest is relabelled on the way out.
    """
    table = load_catalog(lake).load_table("market.trades")
    data = next(iter(table.scan().plan_files())).file
    path = Path(f"{table.location()}/data/{uuid.uuid4()}.parquet".removeprefix("file://"))
    fields = [("file_path", pa.string(), _FILE_PATH), ("pos", pa.int64(), _POS)]
    schema = pa.schema(
        [
            pa.field(name, kind, nullable=False, metadata={"PARQUET:field_id": str(number)})
            for name, kind, number in fields
        ]
    )
    rows = pa.table({"file_path": [data.file_path], "pos": [position]}, schema=schema)
    pq.write_table(rows, path)
    bound = {_FILE_PATH: data.file_path.encode()}
    file = DataFile.from_args(
        content=content,
        file_path=f"file://{path}",
        file_format=FileFormat.PARQUET,
        partition=data.partition,
        record_count=1,
        file_size_in_bytes=path.stat().st_size,
        spec_id=0,
        column_sizes={},
        value_counts={},
        null_value_counts={},
        nan_value_counts={},
        lower_bounds=bound,
        upper_bounds=bound,
        equality_ids=[3] if content is DataFileContent.EQUALITY_DELETES else None,
        key_metadata=None,
        sort_order_id=None,
        split_offsets=None,
    )
    written = producers.write_manifest

    def relabelled(*arguments: Any, **options: Any) -> Any:
        writer = written(*arguments, **options)
        monkeypatch.setattr(writer, "content", lambda: ManifestContent.DELETES)
        return writer

    with monkeypatch.context() as patched, table.transaction() as transaction:
        patched.setattr(producers, "write_manifest", relabelled)
        with transaction.update_snapshot().fast_append() as producer:
            producer.append_data_file(file)


@pytest.mark.parametrize("read_only", [False, True])
def test_deleted_rows_are_gone(
    lake: Settings, land: Land, monkeypatch: pytest.MonkeyPatch, read_only: bool
) -> None:
    before = land(*(trade(i) for i in range(4)))
    delete(lake, monkeypatch, 3, DataFileContent.POSITION_DELETES)
    query = "SELECT trade_id FROM market.trades ORDER BY trade_id"
    with open_session(lake, read_only=read_only) as session:
        assert session.sql(query).rows() == [("t0",), ("t1",), ("t2",)]
        # The files' statistics still know the deleted row; the rows are asked instead.
        assert session.newest_event("market.trades") == at(2)
    with open_session(lake, snapshots={"market.trades": before}) as session:
        assert len(session.sql(query).rows()) == 4


def test_equality_deletes_are_refused(
    lake: Settings, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(trade(1))
    delete(lake, monkeypatch, 0, DataFileContent.EQUALITY_DELETES)
    with (
        open_session(lake) as session,
        pytest.raises(LakeError, match="equality deletes, which DuckDB reads wrongly"),
    ):
        session.sql("FROM market.trades")


def test_delete_files_that_a_summary_does_not_count_are_not_overlooked(
    lake: Settings, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(trade(1))
    delete(lake, monkeypatch, 0, DataFileContent.POSITION_DELETES)
    monkeypatch.setattr(Pin, "delete_count", 0)
    with (
        open_session(lake) as session,
        pytest.raises(LakeError, match="delete files its snapshot does not count"),
    ):
        session.sql("FROM market.trades")
