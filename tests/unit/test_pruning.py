"""Old savepoints and checkpoints go, and none that a job goes on from."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.fake_cluster import FakeCluster, installed
from workbench.errors import UsageError
from workbench.jobs import cancel, restore, stop, submit
from workbench.jobs.bookmark import (
    one_at_a_time,
    read_bookmark,
    restore_point,
    restore_points,
    states_of,
)
from workbench.jobs.pruning import prune
from workbench.jobs.runs import run_of
from workbench.stack.files import Layout

JOB = "landing"


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeCluster:
    return installed(monkeypatch, tmp_path)


def layout(cluster: FakeCluster) -> Layout:
    return Layout(cluster.settings.stack_folder)


def aged(folder: Path, days: float) -> None:
    """Let a state look as old as this."""
    for path in (*folder.rglob("*"), folder):
        moment = path.stat().st_mtime - 86_400 * days
        os.utime(path, (moment, moment))


def run_and_stop(cluster: FakeCluster, times: int) -> list[Path]:
    """Stop a job so often; return its savepoints, the oldest first and days apart."""
    folders = []
    for number in range(times):
        submit(cluster.settings, [JOB])
        stop(cluster.settings, [JOB])
        savepoint = restore_point(cluster.settings, JOB)
        assert savepoint is not None
        folder = Path(savepoint.removeprefix("file://")).resolve()
        aged(folder, times - number)
        folders.append(folder)
    return folders


def checkpointed(cluster: FakeCluster) -> Path:
    """A complete checkpoint of the run of now."""
    known = read_bookmark(cluster.settings, JOB)
    assert known is not None
    folder = layout(cluster).checkpoints / known.job_id
    (folder / "chk-7").mkdir(parents=True)
    (folder / "chk-7" / "_metadata").write_bytes(b"12345")
    return folder.resolve()


def test_the_newest_states_stay_and_older_ones_go(cluster):
    folders = run_and_stop(cluster, 5)
    removed = prune(cluster.settings, [JOB], keep=2)
    assert [state.folder for state in removed] == folders[:3]
    assert [folder.is_dir() for folder in folders] == [False] * 3 + [True] * 2
    assert len(restore_points(cluster.settings, JOB)) == 2
    assert prune(cluster.settings, [JOB], keep=2) == []


def test_what_the_next_submit_goes_on_from_stays_whatever_is_asked(cluster):
    folders = run_and_stop(cluster, 3)
    assert len(prune(cluster.settings, [JOB], keep=0)) == 2
    assert folders[-1].is_dir()
    submit(cluster.settings, [JOB])
    assert cluster.last["going"]["restore_from"].endswith(folders[-1].name)


def test_a_state_stays_until_the_run_that_started_from_it_has_one_of_its_own(cluster):
    run_and_stop(cluster, 2)
    oldest = restore_points(cluster.settings, JOB)[-1][0]
    restore(cluster.settings, JOB, oldest)
    kept = Path(oldest.removeprefix("file://"))
    prune(cluster.settings, [JOB], keep=0)
    assert kept.is_dir()
    own = checkpointed(cluster)
    prune(cluster.settings, [JOB], keep=0)
    assert not kept.exists() and own.is_dir()


def test_checkpoints_of_a_run_that_was_cut_off_are_kept_and_counted_as_one(cluster):
    submit(cluster.settings, [JOB])
    cut_off = checkpointed(cluster)
    (cut_off / "shared").mkdir()
    (cut_off / "shared" / "part").write_bytes(b"123")
    aged(cut_off, 3)
    cancel(cluster.settings, [JOB])
    assert prune(cluster.settings, [JOB], keep=0) == []
    submit(cluster.settings, [JOB])
    stop(cluster.settings, [JOB])
    (removed,) = prune(cluster.settings, [JOB], keep=0)
    assert (removed.folder, removed.size) == (cut_off, 8)


def test_a_folder_without_a_complete_checkpoint_takes_no_place_among_those_that_stay(cluster):
    folders = run_and_stop(cluster, 3)
    known = read_bookmark(cluster.settings, JOB)
    assert known is not None
    empty = layout(cluster).checkpoints / known.earlier[0] / "shared"
    empty.mkdir(parents=True)
    removed = prune(cluster.settings, [JOB], keep=2)
    assert {state.folder for state in removed} == {folders[0], empty.parent.resolve()}


def test_only_what_is_older_goes_and_a_dry_run_removes_nothing(cluster):
    folders = run_and_stop(cluster, 4)
    wanted = prune(cluster.settings, [JOB], keep=0, older_than=timedelta(days=2.5), dry_run=True)
    assert [state.folder for state in wanted] == folders[:2]
    assert all(folder.is_dir() for folder in folders)


def test_states_of_others_stay(cluster):
    """Another deployment may share the folders; of its runs nothing is known here."""
    run_and_stop(cluster, 2)
    for folder in (layout(cluster).checkpoints / "stranger", layout(cluster).savepoints / "mine"):
        (folder / "chk-1").mkdir(parents=True)
    prune(cluster.settings, [JOB, "router"], keep=0)
    assert (layout(cluster).checkpoints / "stranger").is_dir()
    assert (layout(cluster).savepoints / "mine").is_dir()


def test_the_plan_of_what_is_left_is_left(cluster):
    *_, last = run_and_stop(cluster, 3)
    prune(cluster.settings, [JOB], keep=0)
    assert run_of(cluster.settings, JOB, last.name) is not None
    assert states_of(cluster.settings, last.name) == [last]


def test_nothing_is_removed_while_jobs_are_started_or_stopped(cluster):
    folders = run_and_stop(cluster, 2)
    with one_at_a_time(cluster.settings), pytest.raises(UsageError, match="already"):
        prune(cluster.settings, [JOB], keep=0)
    assert all(folder.is_dir() for folder in folders)


def test_an_unknown_job_is_named(cluster):
    with pytest.raises(UsageError, match="landign"):
        prune(cluster.settings, ["landign"])
