"""A client may be killed at any moment of a submit, a stop or an upgrade: the next one goes on."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.unit.fake_cluster import FakeCluster, changed, fails, installed, killed, plan
from workbench.config import JobSettings
from workbench.errors import StackError, UsageError
from workbench.jobs import cancel, draining, restore, resuming, starting, stop, stopping, submit
from workbench.jobs import upgrade as upgrade_module
from workbench.jobs.bookmark import Bookmark, read_bookmark, restore_points, write_bookmark
from workbench.jobs.draining import has_offsets
from workbench.jobs.process import IncompatibleStateError
from workbench.jobs.resuming import resume, to_resume
from workbench.jobs.runs import Run, keep_run
from workbench.jobs.settling import settle
from workbench.jobs.upgrade import upgrade

JOB = "landing"


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeCluster:
    monkeypatch.setattr(resuming, "ON_ITS_WAY_S", 0)
    return installed(monkeypatch, tmp_path)


def mark(cluster: FakeCluster) -> Bookmark:
    found = read_bookmark(cluster.settings, JOB)
    assert found is not None
    return found


def lost(cluster: FakeCluster) -> list[str]:
    return to_resume(cluster.settings, cluster)


def test_a_submit_killed_after_the_cluster_took_the_job_is_known(cluster):
    with killed(cluster, "submitted"):
        submit(cluster.settings, [JOB])
    (job_id,) = cluster.known
    assert mark(cluster).job_id == job_id and lost(cluster) == []
    savepoint = stop(cluster.settings, [JOB])[JOB]
    assert mark(cluster).savepoint == savepoint
    submit(cluster.settings, [JOB])
    assert cluster.last["going"]["restore_from"] == savepoint


def test_a_submit_killed_before_the_cluster_took_the_job_is_made_up_for(cluster):
    submit(cluster.settings, [JOB])
    savepoint = stop(cluster.settings, [JOB])[JOB]
    cluster.compiled = plan("of the submit")
    with killed(cluster, "noted"):
        submit(changed(cluster.settings, parallelism=2), [JOB])
    assert lost(cluster) == [JOB]
    resume(cluster.settings, [JOB])
    assert cluster.last["going"]["restore_from"] == savepoint
    assert cluster.last["going"]["plan"] == plan("of the submit")
    assert cluster.last["deployment"]["parallelism"] == 2


def test_a_run_that_was_noted_a_moment_ago_may_be_on_its_way(cluster, monkeypatch):
    """The process that a killed client leaves behind may hand its job over a moment later."""
    monkeypatch.setattr(resuming, "ON_ITS_WAY_S", 20)
    with killed(cluster, "noted"):
        submit(cluster.settings, [JOB])
    assert lost(cluster) == []
    (file,) = (cluster.settings.stack_folder / "jobs").glob(f"*-{JOB}.json")
    earlier = time.time() - 21
    os.utime(file, (earlier, earlier))
    assert lost(cluster) == [JOB]


def test_a_submit_killed_while_it_compiles_has_changed_nothing(cluster):
    submit(cluster.settings, [JOB])
    stop(cluster.settings, [JOB])
    before = mark(cluster)
    with killed(cluster, "compiled"):
        submit(cluster.settings, [JOB])
    assert mark(cluster) == before and lost(cluster) == []


@pytest.mark.parametrize("moment", ["compiled", "noted"])
def test_a_job_that_is_refused_is_as_it_was_before(cluster, moment):
    submit(cluster.settings, [JOB])
    stop(cluster.settings, [JOB])
    before = mark(cluster)
    with fails(cluster, moment), pytest.raises(StackError, match="no luck"):
        submit(cluster.settings, [JOB])
    assert mark(cluster) == before
    with fails(cluster, moment), pytest.raises(StackError, match="no luck"):
        submit(cluster.settings, ["router"])
    assert read_bookmark(cluster.settings, "router") is None


def test_a_job_that_is_there_although_its_submit_failed_is_known(cluster):
    with fails(cluster, "submitted"), pytest.raises(StackError, match="no luck"):
        submit(cluster.settings, [JOB])
    assert mark(cluster).job_id in cluster.known


def test_a_job_that_has_ended_at_once_did_not_start(cluster):
    cluster.starts_as = "FINISHED"
    with pytest.raises(StackError, match="did not start: it is FINISHED"):
        submit(cluster.settings, [JOB])


def test_a_state_whose_transactions_the_broker_has_forgotten_says_the_way_out(cluster, monkeypatch):
    cluster.starts_as = "FAILED"
    monkeypatch.setattr(cluster, "problem", lambda _: "x.InvalidPidMappingException: not assigned")
    with pytest.raises(StackError, match="InvalidPidMapping") as error:
        submit(cluster.settings, [JOB])
    assert "--fresh" in error.value.hint


@pytest.mark.parametrize("moment", ["stopped", "compiled"])
def test_a_supervisor_goes_on_where_an_upgrade_was_killed(cluster, moment):
    """As before, for what the upgrade was about to start is not known to run."""
    cluster.compiled = plan("old")
    first = submit(cluster.settings, [JOB])[JOB]
    cluster.compiled = plan("new")
    with killed(cluster, moment):
        upgrade(changed(cluster.settings, parallelism=3, state_backend="rocksdb"), [JOB])
    assert cluster.known[first].state == "FINISHED"
    assert lost(cluster) == [JOB]
    # More than there are slots: it is not what the job ran with.
    resume(changed(cluster.settings, parallelism=99, state_backend="rocksdb"), [JOB])
    assert f"savepoint-{first[:6]}" in cluster.last["going"]["restore_from"]
    assert cluster.last["going"]["plan"] == plan("old")
    assert cluster.last["deployment"]["parallelism"] == 1
    assert cluster.last["deployment"]["state_backend"] == "hashmap"
    assert lost(cluster) == [] and not mark(cluster).upgrading


def test_the_next_upgrade_goes_on_where_one_was_killed(cluster):
    submit(cluster.settings, [JOB])
    cluster.compiled = plan("new")
    with killed(cluster, "stopped"):
        upgrade(cluster.settings, [JOB])
    upgrade(changed(cluster.settings, parallelism=3), [JOB])
    assert "savepoint-" in cluster.last["going"]["restore_from"]
    assert cluster.last["going"]["plan"] == plan("new")
    assert cluster.last["deployment"]["parallelism"] == 3


def test_an_upgrade_killed_before_its_stop_has_changed_nothing(cluster):
    submit(cluster.settings, [JOB])
    with killed(cluster, "stop"):
        upgrade(cluster.settings, [JOB])
    assert mark(cluster).upgrading and lost(cluster) == []
    settle(cluster.settings, cluster)
    assert not mark(cluster).upgrading


def test_an_upgrade_whose_savepoint_fails_leaves_no_trace(cluster):
    submit(cluster.settings, [JOB])
    before = mark(cluster)
    with fails(cluster, "stop"), pytest.raises(StackError, match="goes on: no luck"):
        upgrade(cluster.settings, [JOB])
    assert mark(cluster) == before


def test_an_upgrade_whose_savepoint_comes_after_all_is_not_left_stopped(cluster):
    job_id = submit(cluster.settings, [JOB])[JOB]

    def late() -> None:
        cluster.set(job_id, "FINISHED")
        raise StackError("made no savepoint in 180 s")

    cluster.at["stop"] = late
    with pytest.raises(StackError, match="in 180 s"):
        upgrade(cluster.settings, [JOB])
    assert lost(cluster) == [JOB]


def test_an_upgrade_that_does_not_start_goes_on_with_the_settings_it_had(cluster):
    cluster.compiled = plan("old")
    first = submit(changed(cluster.settings, checkpoint_interval_ms=777), [JOB])[JOB]
    cluster.compiled = plan("new")
    with fails(cluster, "noted"), pytest.raises(StackError, match="goes on as before: no luck"):
        upgrade(changed(cluster.settings, checkpoint_interval_ms=5_000), [JOB])
    assert cluster.last["deployment"]["checkpoint_interval_ms"] == 777
    assert cluster.last["going"]["plan"] == plan("old")
    assert f"savepoint-{first[:6]}" in cluster.last["going"]["restore_from"]
    assert lost(cluster) == [] and not mark(cluster).upgrading


def test_an_upgrade_of_an_unknown_job_that_does_not_start_leaves_it_at_its_savepoint(cluster):
    """It cannot go on as before, for nobody knows by which plan; nor by the one that failed."""
    cluster.add(JOB, "a")
    write_bookmark(cluster.settings, JOB, Bookmark("a"))
    cluster.starts_as = "RESTARTING"

    def give_up(fake: FakeCluster, name: str, job_id: str) -> None:
        raise StackError("no luck", hint="see the logs")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(starting, "_wait_until_running", give_up)
        with pytest.raises(StackError, match=r"is stopped at .*savepoint-a-1.*: no luck") as error:
            upgrade(cluster.settings, [JOB], unchecked=True)
    assert f"workbench jobs submit {JOB} --unchecked" in (error.value.hint or "")
    assert len(cluster.requests) == 1 and not any(job.runs for job in cluster.jobs())
    assert "savepoint-a-1" in (mark(cluster).savepoint or "") and lost(cluster) == []
    # The way out that it names.
    cluster.starts_as = "RUNNING"
    with pytest.raises(UsageError, match="--unchecked"):
        submit(cluster.settings, [JOB])
    submit(cluster.settings, [JOB], unchecked=True)
    assert "savepoint-a-1" in cluster.last["going"]["restore_from"]


def test_jobs_that_give_slots_back_are_upgraded_before_those_that_take_them(cluster):
    jobs = ["landing", "router"]
    submit(changed(cluster.settings, jobs={"router": JobSettings(parallelism=3)}), jobs)
    upgrade(changed(cluster.settings, jobs={"landing": JobSettings(parallelism=3)}), jobs)
    assert [request["name"] for request in cluster.requests[-2:]] == ["router", "landing"]


def test_going_on_as_before_may_be_killed_too(cluster):
    cluster.compiled = plan("old")
    submit(cluster.settings, [JOB])
    cluster.compiled, cluster.starts_as = plan("new"), "FAILED"

    def then_die() -> None:
        cluster.starts_as = "RUNNING"
        cluster.at["compiled"] = cluster.at.pop("second")

    with killed(cluster, "second"):
        cluster.at["submitted"] = then_die
        upgrade(cluster.settings, [JOB])
    assert lost(cluster) == [JOB]
    resume(cluster.settings, [JOB])
    assert cluster.last["going"]["plan"] == plan("old")


def test_a_run_that_dropped_state_drops_it_again_until_it_has_a_checkpoint(cluster):
    submit(cluster.settings, [JOB])
    upgrade(cluster.settings, [JOB], drop_state=True)
    assert cluster.last["going"]["drop_state"]
    cluster.known.clear()
    resume(cluster.settings, [JOB])
    assert cluster.last["going"]["drop_state"]
    cluster.known.clear()
    submit(cluster.settings, [JOB])
    assert cluster.last["going"]["drop_state"]
    checkpoint = cluster.settings.stack_folder / "flink/checkpoints" / mark(cluster).job_id
    (checkpoint / "chk-1").mkdir(parents=True)
    (checkpoint / "chk-1" / "_metadata").touch()
    cluster.known.clear()
    resume(cluster.settings, [JOB])
    assert not cluster.last["going"]["drop_state"]


def test_what_was_cancelled_in_flink_stays_ended_when_the_cluster_forgets_it(cluster):
    job_id = submit(cluster.settings, [JOB])[JOB]
    cluster.set(job_id, "CANCELED")
    settle(cluster.settings, cluster)
    cluster.known.clear()
    assert lost(cluster) == []


def test_a_cancel_of_a_failed_job_ends_it_for_good_and_says_so(cluster):
    job_id = submit(cluster.settings, [JOB])[JOB]
    cluster.set(job_id, "FAILED")
    assert lost(cluster) == [JOB]
    assert cancel(cluster.settings, [JOB, "router"]) == {
        JOB: "not brought back",
        "router": "not running",
    }
    assert lost(cluster) == []


def test_a_state_of_which_no_plan_is_known_needs_a_flag(cluster):
    write_bookmark(cluster.settings, JOB, Bookmark("a", savepoint="file:///s/savepoint-a-1"))
    with pytest.raises(UsageError, match=r"savepoint-a-1 is not kept here.*--unchecked"):
        submit(cluster.settings, [JOB])
    submit(cluster.settings, [JOB], unchecked=True)
    assert cluster.last["going"]["previous"] is None
    # From here on it is known.
    upgrade(cluster.settings, [JOB])


def test_a_running_job_of_which_no_plan_is_known_is_not_stopped(cluster):
    cluster.add(JOB, "a")
    write_bookmark(cluster.settings, JOB, Bookmark("a"))
    with pytest.raises(UsageError, match=r"run a is not kept here.*--unchecked"):
        upgrade(cluster.settings, [JOB])
    assert cluster.known["a"].runs


def test_a_lost_job_of_which_no_plan_is_known_is_for_a_person(cluster):
    write_bookmark(cluster.settings, JOB, Bookmark("a", restored_from="file:///s/savepoint-a-1"))
    with pytest.raises(UsageError, match=f"workbench jobs submit {JOB} --unchecked"):
        resume(cluster.settings, [JOB])


def test_after_a_drain_nothing_is_restored_by_itself(cluster):
    settings = cluster.settings
    submit(settings, [JOB])
    savepoint = stop(settings, [JOB])[JOB]
    stopped = mark(cluster)
    write_bookmark(settings, JOB, Bookmark("closing", restored_from=savepoint, closing=True))
    closed = settings.stack_folder / "flink/savepoints/savepoint-closin-2"
    closed.mkdir()
    (closed / "_metadata").touch()
    done = Bookmark(stopped.job_id, savepoint=closed.as_uri(), drained=True)
    write_bookmark(settings, JOB, done)
    assert [place for place, _ in restore_points(settings, JOB)] == [savepoint]
    with pytest.raises(UsageError, match="was drained: its state is done with"):
        restore(settings, JOB)
    keep_run(settings, JOB, "x", Run("{}"))
    restore(settings, JOB, savepoint)
    assert cluster.last["going"]["restore_from"] == savepoint


def test_a_drain_that_was_cut_off_is_not_started_again(cluster):
    settings = cluster.settings
    closing = Bookmark("closing", restored_from="file:///s", closing=True)
    write_bookmark(settings, JOB, closing)
    settle(settings, cluster)
    assert mark(cluster).cancelled and not mark(cluster).drained
    write_bookmark(settings, JOB, closing)
    cluster.add(JOB, "closing", "FINISHED")
    settle(settings, cluster)
    assert mark(cluster).drained and lost(cluster) == []


@pytest.mark.parametrize(("job", "windowed"), [("aggregates", True), ("alerts", False)])
def test_a_refusal_names_a_way_out_that_there_is(cluster, monkeypatch, job, windowed):
    submit(cluster.settings, [job])

    def incompatible(*_: object, **__: object) -> None:
        raise IncompatibleStateError(job, "x is gone")

    monkeypatch.setattr(upgrade_module, "ask", incompatible)
    monkeypatch.setattr(starting, "ask", incompatible)
    for go_on in (upgrade, submit):
        with pytest.raises(UsageError, match=r"x is gone.*--drop-state") as refused:
            go_on(cluster.settings, [job])
        assert (f"workbench jobs stop {job} --drain" in str(refused.value)) is windowed
        if go_on is upgrade:
            stop(cluster.settings, [job])


@pytest.mark.parametrize("cut_off", [False, True])
def test_a_job_that_does_not_run_is_drained_as_it_ran(cluster, cut_off):
    """The way out for a job whose next release cannot go on from its windows."""
    cluster.checkpoint, cluster.source_metric = lambda _: None, lambda *_: 1
    cluster.compiled = plan("old")
    job_id = submit(cluster.settings, ["aggregates"])["aggregates"]
    if cut_off:
        place = cluster.settings.stack_folder / "flink/checkpoints" / job_id / "chk-4"
        place.mkdir(parents=True)
        (place / "_metadata").touch()
        cluster.set(job_id, "FAILED")
        left = place.as_uri()
    else:
        left = stop(cluster.settings, ["aggregates"])["aggregates"]
    cluster.compiled = plan("new")
    stop(changed(cluster.settings, parallelism=3), ["aggregates"], drain=True)
    assert cluster.last["going"]["restore_from"] == left
    assert cluster.last["going"]["plan"] == plan("old")
    assert cluster.last["deployment"]["closing"]
    assert cluster.last["deployment"]["parallelism"] == 1
    found = read_bookmark(cluster.settings, "aggregates")
    assert found is not None and found.drained and not found.should_run
    with pytest.raises(UsageError, match="is not running"):
        stop(cluster.settings, ["aggregates"], drain=True)


def test_a_running_job_that_nobody_could_drain_is_not_stopped_nor_any_other(cluster):
    """By which plan it runs is not known: its windows could not be closed once it is stopped."""
    cluster.checkpoints, cluster.records_read = lambda _: {}, lambda _: 7
    for job, job_id in ((JOB, "a"), ("aggregates", "b")):
        cluster.add(job, job_id)
        write_bookmark(cluster.settings, job, Bookmark(job_id))
    with pytest.raises(UsageError, match=r"run b is not kept here.*without --drain it stops"):
        stop(cluster.settings, [JOB, "aggregates"], drain=True)
    assert cluster.known["a"].runs and cluster.known["b"].runs
    # Landing holds no window back: there is nothing to know.
    assert JOB in stop(cluster.settings, [JOB], drain=True)
    assert "aggregates" in stop(cluster.settings, ["aggregates"])


def test_what_keeps_one_job_from_its_drain_keeps_no_other_from_its_stop(cluster, monkeypatch):
    cluster.checkpoints, cluster.records_read = lambda _: {}, lambda _: 7
    submit(cluster.settings, ["aggregates", JOB])

    def refused(*_: object, **__: object) -> None:
        raise UsageError("no")

    monkeypatch.setattr(stopping, "close_windows", refused)
    with pytest.raises(UsageError, match="no"):
        stop(cluster.settings, ["aggregates", JOB], drain=True)
    assert mark(cluster).savepoint is not None


def test_a_drain_that_fails_leaves_the_job_stopped_where_it_was(cluster):
    submit(cluster.settings, ["aggregates"])
    left = stop(cluster.settings, ["aggregates"])["aggregates"]
    with fails(cluster, "compiled"), pytest.raises(StackError, match="no luck"):
        stop(cluster.settings, ["aggregates"], drain=True)
    found = read_bookmark(cluster.settings, "aggregates")
    assert found is not None and found.savepoint == left and not found.drained
    assert to_resume(cluster.settings, cluster) == []


@pytest.mark.parametrize(
    ("restored", "read", "known"), [(None, 0, False), (None, 7, True), ({"id": 3}, 0, True)]
)
def test_what_a_job_was_restored_from_has_offsets_as_well(cluster, restored, read, known):
    """Records are counted from the last restart: none since then does not mean none."""
    cluster.checkpoints = lambda _: {"latest": {"restored": restored}}
    cluster.records_read = lambda _: read
    assert has_offsets(cluster, "a") is known


@pytest.mark.parametrize(
    ("offsets", "at_end", "committed", "seconds"),
    [
        (True, False, 1, 0),  # the usual case
        (True, True, 0, 9),  # restored, has read nothing since, and its group is where it is
        (False, False, 0, 8),  # started from its group, and has read nothing
        (True, False, 0, None),  # read something, and it does not get through
    ],
)
def test_a_drain_waits_until_the_offsets_are_with_the_group(
    cluster, monkeypatch, offsets, at_end, committed, seconds
):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("time.sleep", lambda pause: now.__setitem__(0, now[0] + pause))
    monkeypatch.setattr(draining, "is_at_end", lambda *_: at_end)
    cluster.checkpoint = lambda _: None
    cluster.source_metric = lambda *_: committed
    wait = lambda: draining._commit_offsets(cluster.settings, cluster, "aggregates", "a", offsets)  # noqa: E731
    if seconds is None:
        with pytest.raises(StackError, match="could not commit its offsets"):
            wait()
    else:
        wait()
        assert seconds <= now[0] < seconds + 3


def test_a_running_job_is_drained_in_two_steps(cluster):
    cluster.checkpoint, cluster.source_metric = lambda _: None, lambda *_: 1
    cluster.checkpoints, cluster.records_read = lambda _: {}, lambda _: 7
    settings = cluster.settings
    first = submit(settings, ["aggregates"])["aggregates"]
    closed = stop(settings, ["aggregates"], drain=True)["aggregates"]
    assert f"savepoint-{first[:6]}" in cluster.last["going"]["restore_from"]
    assert cluster.last["deployment"]["closing"]
    found = read_bookmark(settings, "aggregates")
    assert found is not None and found.drained and found.savepoint == closed
    submit(settings, ["aggregates"])
    assert cluster.last["going"]["restore_from"] is None
    assert not cluster.last["deployment"]["closing"]
