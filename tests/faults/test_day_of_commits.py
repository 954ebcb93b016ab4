"""A day of commits every 10 s, with the habit every 10 minutes, leaves few files and snapshots.

`DAY_OF_COMMITS=8640` makes it the whole day (an hour or more on a busy machine).
"""

from __future__ import annotations

import os
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.lake_rows import at, trade, trades
from workbench.config import load_settings
from workbench.contracts import table_named
from workbench.lake import tables
from workbench.lake.catalog import load_catalog
from workbench.lake.maintenance.habit import maintain
from workbench.lake.write import _data_files, prepare

COMMITS = int(os.environ.get("DAY_OF_COMMITS", "130"))
ROWS = 20
#: Commits of 10 s between two passes that are 10 minutes apart.
BETWEEN = 60


@pytest.mark.fault
@pytest.mark.timeout(4 * 3600)
def test_a_day_of_commits_leaves_few_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = load_settings(tmp_path)
    tables.apply(lake)
    contract = table_named("market.trades")
    target = load_catalog(lake).load_table(contract.name)
    folder = Path(target.location().removeprefix("file://"))
    most_files = most_snapshots = 0
    began = last = time.monotonic()
    for number in range(COMMITS):
        made = [
            trade(i, event_time=at(number % 43_000 + i / ROWS))
            for i in range(number * ROWS, (number + 1) * ROWS)
        ]
        files = _data_files(target, contract, prepare(contract, trades(made)))
        transaction = target.transaction()
        with transaction.update_snapshot().fast_append() as append:
            for file in files:
                append.append_data_file(file)
        transaction.commit_transaction()
        if (number + 1) % BETWEEN == 0:
            snapshot = target.current_snapshot()
            assert snapshot is not None and snapshot.summary is not None
            most_files = max(most_files, int(snapshot.summary["total-data-files"] or 0))
            # What was committed before the pass before is old.
            compacted, expired = maintain(
                lake, older_than=timedelta(seconds=time.monotonic() - last)
            )
            assert not [one.error for one in (*compacted, *expired) if one.error]
            last = time.monotonic()
            target.refresh()
            most_snapshots = max(most_snapshots, len(target.snapshots()))
    maintain(lake, older_than=timedelta(0))
    target.refresh()
    found = Counter(target.scan().to_arrow()["trade_id"].to_pylist())
    wanted = {f"t{i}" for i in range(COMMITS * ROWS)}
    lost, doubled = len(wanted - found.keys()), sum(found.values()) - len(found)
    left = [task.file.record_count for task in target.scan().plan_files()]
    with capsys.disabled():
        print(
            f"\n{COMMITS} commits | seed 0 | {time.monotonic() - began:.0f} s | lost {lost} | "
            f"doubled {doubled} | files at most {most_files}, at the end {len(left)} | "
            f"snapshots at most {most_snapshots}",
            flush=True,
        )
    assert (lost, doubled, sum(left)) == (0, 0, COMMITS * ROWS)
    assert len(left) == 1
    assert most_files <= BETWEEN + 1
    assert most_snapshots <= 2 * (BETWEEN + 2)
    assert len(list(folder.rglob("*.parquet"))) == 1
