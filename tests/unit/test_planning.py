"""Which files a snapshot has: as PyIceberg plans them, and whoever wrote the manifests."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.conftest import Land
from tests.unit.lake_rows import at, trade, trades
from workbench.config import Settings
from workbench.errors import LakeError
from workbench.lake.avro import records
from workbench.lake.catalog import load_catalog
from workbench.lake.locations import local_path
from workbench.lake.pins import resolve
from workbench.lake.write import replace_days

TRADES = "market.trades"


def test_the_files_of_a_session_are_those_of_a_scan(lake: Settings, land: Land) -> None:
    for day in range(3):
        land(trade(2 * day, event_time=at(1, days=-day)), trade(2 * day + 1, event_time=at(9)))
    # Its manifests have files that are gone, too.
    replace_days(lake, TRADES, trades([trade(7, event_time=at(5, days=-1))]))
    pin, scan = resolve(lake)[TRADES], load_catalog(lake).load_table(TRADES).scan()
    wanted = {local_path(task.file.file_path) for task in scan.plan_files()}
    assert [file.path for file in pin.files] == sorted(wanted)
    assert len(wanted) == 5
    assert (pin.oldest_event(), pin.newest_event()) == (at(1, days=-2), at(9))


@pytest.mark.parametrize("part", [0, 0.1, 0.5, 0.95])
def test_a_torn_manifest_is_told(lake: Settings, land: Land, part: float) -> None:
    land(trade(1))
    table = load_catalog(lake).load_table(TRADES)
    snapshot = table.current_snapshot()
    assert snapshot is not None
    [manifest] = snapshot.manifests(table.io)
    file = Path(local_path(manifest.manifest_path))
    whole = file.read_bytes()
    file.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(LakeError, match=r"trades: a manifest cannot be read .* bytes, not"):
        _ = resolve(lake)[TRADES].files


# -- the format ----------------------------------------------------------------------------------


def mapped(name: str, value: str) -> dict[str, Any]:
    fields = [{"name": "key", "type": "int"}, {"name": "value", "type": value}]
    return {"type": "array", "items": {"type": "record", "name": name, "fields": fields}}


#: What Java and Python write in manifests, and a few types more that a partition may have.
SCHEMA = {
    "type": "record",
    "name": "manifest_entry",
    "fields": [
        {"name": "status", "type": "int"},
        {"name": "snapshot_id", "type": ["null", "long"], "default": None},
        {"name": "data_file", "type": {"type": "record", "name": "r2", "fields": [
            {"name": "file_path", "type": "string"},
            {"name": "partition", "type": {"type": "record", "name": "r102", "fields": [
                {"name": "day", "type": ["null", {"type": "int", "logicalType": "date"}]},
                {"name": "amount", "type": {"type": "fixed", "size": 16, "name": "f"}},
                {"name": "flag", "type": ["boolean", "null"]},
                {"name": "share", "type": "double"},
                {"name": "part", "type": "float"},
            ]}},
            {"name": "record_count", "type": "long"},
            {"name": "value_counts", "type": ["null", mapped("k119_v120", "long")]},
            {"name": "lower_bounds", "type": ["null", mapped("k126_v127", "bytes")]},
            {"name": "key_metadata", "type": ["null", "bytes"]},
            {"name": "split_offsets", "type": ["null", {"type": "array", "items": "long"}]},
        ]}},
    ],
}  # fmt: skip
long = st.integers(-(2**63), 2**63 - 1)
number = st.integers(0, 2**31 - 1)
entry = st.fixed_dictionaries(
    {
        "status": st.integers(0, 2),
        "snapshot_id": st.none() | long,
        "data_file": st.fixed_dictionaries(
            {
                "file_path": st.text(max_size=30),
                "partition": st.fixed_dictionaries(
                    {
                        "day": st.none() | st.dates(),
                        "amount": st.binary(min_size=16, max_size=16),
                        "flag": st.none() | st.booleans(),
                        "share": st.floats(allow_nan=False),
                        "part": st.floats(allow_nan=False, width=32),
                    }
                ),
                "record_count": long,
                "value_counts": st.none() | st.dictionaries(number, long, max_size=4),
                "lower_bounds": st.none() | st.dictionaries(number, st.binary(max_size=9)),
                "key_metadata": st.none() | st.binary(max_size=9),
                "split_offsets": st.none() | st.lists(long, max_size=3),
            }
        ),
    }
)


@given(st.lists(entry, max_size=5), st.sampled_from(["null", "deflate"]), st.sampled_from([1, 999]))
def test_records_are_those_that_were_written(
    entries: list[dict[str, Any]], codec: str, block: int
) -> None:
    def pairs(values: dict[int, Any] | None) -> list[dict[str, Any]] | None:
        if values is None:
            return None
        return [{"key": key, "value": value} for key, value in values.items()]

    written = [
        {
            **one,
            "data_file": {
                **one["data_file"],
                "value_counts": pairs(one["data_file"]["value_counts"]),
                "lower_bounds": pairs(one["data_file"]["lower_bounds"]),
            },
        }
        for one in entries
    ]
    file = io.BytesIO()
    fastavro.writer(file, SCHEMA, written, codec=codec, sync_interval=block)
    found = list(records(file.getvalue()))
    for one, other in zip(found, entries, strict=True):
        got, wanted = one["data_file"], other["data_file"]
        assert (one["status"], one["snapshot_id"]) == (other["status"], other["snapshot_id"])
        for name in ("file_path", "record_count", "lower_bounds", "key_metadata"):
            assert got[name] == wanted[name]
        # Not the floats, which PyIceberg's decoder rounds: nobody reads them.
        for name in ("amount", "flag"):
            assert got["partition"][name] == wanted["partition"][name]


def test_what_is_no_avro_file_is_said() -> None:
    with pytest.raises(ValueError, match="no Avro file"):
        list(records(b"PAR1 and more"))
