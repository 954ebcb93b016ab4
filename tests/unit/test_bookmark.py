"""Where a job goes on: from what its last run left, whether somebody noted it or not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from workbench.config import Settings, load_settings
from workbench.jobs.bookmark import Bookmark, restore_point, restore_points, write_bookmark

RUN, BEFORE = "a1b2c3d4e5f6", "0f0e0d0c0b0a"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path)


def left(settings: Settings, place: str, at: int) -> str:
    """A complete savepoint or checkpoint, made `at` seconds after another."""
    folder = settings.stack_folder / "flink" / place
    folder.mkdir(parents=True)
    (folder / "_metadata").touch()
    os.utime(folder / "_metadata", (at, at))
    return folder.resolve().as_uri()


def test_a_run_that_was_cut_off_goes_on_from_its_newest_checkpoint(settings):
    write_bookmark(settings, "router", Bookmark(RUN, restored_from="file:///before"))
    assert restore_point(settings, "router") == "file:///before"
    left(settings, f"checkpoints/{RUN}/chk-9", 1)
    newest = left(settings, f"checkpoints/{RUN}/chk-10", 2)
    left(settings, f"checkpoints/{BEFORE}/chk-11", 3)
    assert restore_point(settings, "router") == newest


def test_a_savepoint_that_nobody_noted_counts(settings):
    # The client that asked for it was gone; Flink has removed the run's checkpoints.
    write_bookmark(settings, "router", Bookmark(RUN, restored_from="file:///before"))
    savepoint = left(settings, f"savepoints/savepoint-{RUN[:6]}-77", 5)
    assert restore_point(settings, "router") == savepoint
    # Of a job that went on after it, the newer checkpoint counts.
    checkpoint = left(settings, f"checkpoints/{RUN}/chk-3", 6)
    assert restore_point(settings, "router") == checkpoint


def test_the_savepoint_of_a_closing_run_is_nothing_to_go_on_from(settings):
    bookmark = Bookmark(RUN, restored_from="file:///before", closing=True)
    write_bookmark(settings, "aggregates", bookmark)
    left(settings, f"savepoints/savepoint-{RUN[:6]}-77", 5)
    assert restore_point(settings, "aggregates") == "file:///before"


def test_what_is_noted_wins_and_earlier_runs_are_listed(settings):
    write_bookmark(settings, "router", Bookmark(BEFORE))
    old = left(settings, f"savepoints/savepoint-{BEFORE[:6]}-1", 1)
    write_bookmark(settings, "router", Bookmark(RUN, savepoint="file:///noted"))
    new = left(settings, f"savepoints/savepoint-{RUN[:6]}-2", 2)
    assert restore_point(settings, "router") == "file:///noted"
    assert [place for place, _ in restore_points(settings, "router")] == [new, old]
