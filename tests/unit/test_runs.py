"""What a run was started with is kept for as long as somebody may go back to it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from workbench.config import Settings, load_settings
from workbench.jobs import runs
from workbench.jobs.bookmark import Bookmark, write_bookmark
from workbench.jobs.deployment import deployment, job_names
from workbench.jobs.runs import Run, as_it_ran, keep_run, run_behind, run_of


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    kafka = {
        "bootstrap_servers": "broker:9092",
        "properties": {"sasl.username": "me", "compression.type": "lz4"},
        "password": "s3cret",
    }
    lake = {"properties": {"uri": "postgresql://me:pw3@db/lake", "warehouse": "s3://bucket"}}
    return load_settings(tmp_path, kafka=kafka, lake=lake)


def test_no_secret_is_written_and_all_are_there_again(settings):
    ran = deployment(settings, "landing")
    keep_run(settings, "landing", "a", Run("{}", ran))
    (file,) = settings.stack_folder.rglob("a.json")
    assert not any(secret in file.read_text("utf-8") for secret in ("s3cret", "pw3"))
    kept = run_of(settings, "landing", "a")
    assert as_it_ran(kept, deployment(settings, "landing"), embedded_broker=False) == ran


def test_a_run_keeps_its_settings_and_takes_the_password_of_now(settings):
    keep_run(settings, "landing", "a", Run("{}", deployment(settings, "landing")))
    kafka = {"bootstrap_servers": "other:9092", "properties": {"sasl.username": "me"}}
    later = load_settings(
        settings.project,
        kafka={**kafka, "password": "new"},
        flink={"parallelism": 7, "delivery": "at-least-once"},
        lake={"warehouse": "elsewhere"},
    )
    now = deployment(later, "landing")
    values = as_it_ran(run_of(settings, "landing", "a"), now, embedded_broker=False)
    assert values["parallelism"] == 1 and values["delivery"] == "exactly-once"
    assert values["catalog_options"]["warehouse"] == "s3://bucket"
    assert values["kafka"]["bootstrap.servers"] == "broker:9092"
    assert values["kafka"]["compression.type"] == "lz4"
    assert 'password="new"' in values["kafka"]["sasl.jaas.config"]
    moved = as_it_ran(run_of(settings, "landing", "a"), now, embedded_broker=True)
    assert moved["kafka"]["bootstrap.servers"] == "other:9092"


def test_runs_are_dropped_per_job_and_none_that_somebody_may_go_back_to(settings, monkeypatch):
    monkeypatch.setattr(runs, "KEPT", 2)
    folder = settings.stack_folder / "flink"
    (folder / "checkpoints" / "with-checkpoint" / "chk-4").mkdir(parents=True)
    (folder / "checkpoints" / "with-checkpoint" / "chk-4" / "_metadata").touch()
    (folder / "savepoints" / "savepoint-1").mkdir(parents=True)
    (folder / "savepoints" / "savepoint-1" / "_metadata").touch()
    (folder / "checkpoints" / "without" / "chk-4").mkdir(parents=True)
    write_bookmark(settings, "landing", Bookmark("before"))
    write_bookmark(settings, "landing", Bookmark("named", restored_from="s3://x/savepoint-far/"))
    kept = ["with-checkpoint", "savepoint-1", "before", "named", "savepoint-far"]
    names = [*kept, "without", "old", "new", "newest"]
    for job in ("landing", "router"):
        for age, name in enumerate(names):
            keep_run(settings, job, name, Run("{}"))
            file = settings.stack_folder / "jobs/runs" / job_names(settings)[job] / f"{name}.json"
            os.utime(file, (age, age))
    keep_run(settings, "landing", "last", Run("{}"))
    assert run_of(settings, "landing", "old") is None is run_of(settings, "landing", "without")
    assert all(run_of(settings, "landing", name) for name in (*kept, "newest", "last"))
    assert run_of(settings, "router", "newest")


def test_a_plan_of_an_older_release_is_found(settings):
    folder = settings.stack_folder / "jobs" / "plans"
    folder.mkdir(parents=True)
    (folder / "a1.json").write_text('{"nodes": []}')
    found = run_behind(settings, "landing", "file:///checkpoints/a1/chk-9")
    assert found == Run('{"nodes": []}')
    now = deployment(settings, "landing")
    assert as_it_ran(found, now, embedded_broker=False) == now
