"""What a supervisor starts again: what was cut off, and nothing that a person ended."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from workbench.config import Settings, load_settings
from workbench.errors import StackError, UsageError
from workbench.jobs import resuming, supervisor
from workbench.jobs.bookmark import Bookmark, one_at_a_time, read_bookmark, write_bookmark
from workbench.jobs.cluster import Cluster, JobState
from workbench.jobs.deployment import job_names
from workbench.jobs.resuming import to_resume
from workbench.jobs.supervisor import FIRST_PAUSE_S, Attempts, Supervisor, only_one
from workbench.stack.health import PartStatus, StackStatus, State

URL = "http://127.0.0.1:9"


class Remembered:
    """A cluster that knows these jobs."""

    def __init__(self, *states: JobState) -> None:
        self._states = list(states)

    def jobs(self) -> list[JobState]:
        return self._states


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A cluster and a broker elsewhere: there is no stack to mend; nothing is on its way."""
    monkeypatch.setattr(resuming, "ON_ITS_WAY_S", 0)
    elsewhere = {"kafka": {"bootstrap_servers": "127.0.0.1:9"}, "flink": {"rest_url": URL}}
    return load_settings(tmp_path, **elsewhere)


def state(settings: Settings, job: str, job_id: str, what: str) -> JobState:
    return JobState(job_id, job_names(settings)[job], what, datetime.now(UTC))


def lost(settings: Settings, *states: JobState) -> list[str]:
    return to_resume(settings, cast(Cluster, Remembered(*states)))


def test_a_job_that_was_never_submitted_is_not_started(settings: Settings) -> None:
    assert lost(settings) == []


def test_a_job_that_the_cluster_forgot_is_started_again(settings: Settings) -> None:
    write_bookmark(settings, "router", Bookmark("a"))
    assert lost(settings) == ["router"]


def test_a_job_that_failed_for_good_is_started_again(settings: Settings) -> None:
    write_bookmark(settings, "router", Bookmark("a"))
    assert lost(settings, state(settings, "router", "a", "FAILED")) == ["router"]


@pytest.mark.parametrize("what", ["RUNNING", "RESTARTING", "CREATED"])
def test_a_job_that_is_there_is_left_alone(settings: Settings, what: str) -> None:
    write_bookmark(settings, "router", Bookmark("a"))
    assert lost(settings, state(settings, "router", "a", what)) == []


@pytest.mark.parametrize("what", ["CANCELED", "FINISHED"])
def test_a_job_ended_in_flink_itself_is_left_alone(settings: Settings, what: str) -> None:
    write_bookmark(settings, "router", Bookmark("a"))
    assert lost(settings, state(settings, "router", "a", what)) == []


@pytest.mark.parametrize(
    "ended",
    [
        Bookmark("a", savepoint="file:/s"),
        Bookmark("a", savepoint="file:/s", drained=True),
        Bookmark("a", closing=True),
        Bookmark("a", cancelled=True),
    ],
)
def test_a_job_that_a_person_ended_stays_ended(settings: Settings, ended: Bookmark) -> None:
    write_bookmark(settings, "router", ended)
    assert lost(settings) == []


def test_a_bookmark_of_an_older_release_is_read(settings: Settings) -> None:
    file = settings.stack_folder / "jobs" / f"{job_names(settings)['router']}.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"job_id": "a", "restored_from": null, "savepoint": null, "drained": false}')
    assert lost(settings) == ["router"]


def test_each_attempt_waits_longer_and_a_long_run_starts_anew() -> None:
    attempts = Attempts()
    pauses = []
    now = 0.0
    for _ in range(10):
        assert attempts.due(now)
        attempts.made(now)
        pauses.append(attempts.not_before - now)
        now = attempts.not_before
    assert pauses[:4] == [FIRST_PAUSE_S * n for n in (1, 2, 4, 8)]
    assert max(pauses) == pauses[-1] == supervisor.LONGEST_PAUSE_S
    attempts.well(attempts.last + 1)
    assert attempts.made_so_far == 10
    attempts.well(attempts.last + supervisor.HEALTHY_AFTER_S + 1)
    assert attempts.made_so_far == 0 and attempts.due(now)


def test_two_supervisors_of_one_folder_exclude_each_other(settings: Settings) -> None:
    with (
        only_one(settings),
        pytest.raises(UsageError, match="are supervised already"),
        only_one(settings),
    ):
        raise AssertionError("unreachable")
    with only_one(settings):
        pass


@pytest.fixture
def resumed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Two jobs that the cluster forgot; the groups in which they are started again."""
    groups: list[list[str]] = []

    def resume(_settings: Settings, names: list[str], _say: object) -> dict[str, str]:
        groups.append(names)
        raise StackError("no slot is free")

    def to_resume(_settings: Settings, _cluster: Cluster) -> list[str]:
        return ["landing", "router"]

    for job in ("landing", "router"):
        write_bookmark(settings, job, Bookmark("a"))
    monkeypatch.setattr(supervisor, "resume", resume)
    monkeypatch.setattr(supervisor, "to_resume", to_resume)
    monkeypatch.setattr(supervisor, "unsettled", lambda *_: {})
    return groups


def with_checkpoint(settings: Settings) -> None:
    checkpoint = settings.stack_folder / "flink" / "checkpoints" / "a" / "chk-3"
    checkpoint.mkdir(parents=True)
    (checkpoint / "_metadata").touch()


def test_jobs_are_started_together_and_after_a_failure_each_alone(
    settings: Settings, resumed: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_checkpoint(settings)
    now = [1_000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    watching = Supervisor(settings, lambda _: None, grace_s=0)
    for _ in range(2):
        with pytest.raises(StackError, match="no slot is free"):
            watching.look()
        watching.look()  # too early for another attempt
        now[0] += 60
    assert resumed == [["landing", "router"], ["landing"], ["router"]]


def test_a_remote_cluster_may_bring_its_jobs_back_by_itself(
    settings: Settings, resumed: list[list[str]]
) -> None:
    with_checkpoint(settings)
    Supervisor(settings, lambda _: None, grace_s=60).look()
    assert resumed == []


def test_a_job_of_a_remote_cluster_goes_on_from_the_savepoint_of_its_upgrade(
    settings: Settings, resumed: list[list[str]]
) -> None:
    for job in ("landing", "router"):
        mark = Bookmark("a", restored_from="s3://s", savepoint="s3://t", upgrading=True)
        write_bookmark(settings, job, mark)
    with pytest.raises(StackError, match="no slot is free"):
        Supervisor(settings, lambda _: None, grace_s=0).look()
    assert resumed == [["landing", "router"]]


def test_who_looks_once_gives_it_the_same_time(
    settings: Settings, resumed: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_checkpoint(settings)
    now = [1_000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("time.sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    with pytest.raises(StackError, match="no slot is free"):
        Supervisor(settings, lambda _: None).look_once(5)
    assert resumed == [["landing", "router"]]
    assert now[0] == 1_000 + supervisor.REMOTE_GRACE_S


def test_while_somebody_starts_or_stops_jobs_no_attempt_is_made(
    settings: Settings, resumed: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_checkpoint(settings)
    tried = []

    def busy(_settings: Settings, names: list[str], _say: object) -> dict[str, str]:
        tried.append(names)
        with one_at_a_time(settings):
            raise AssertionError("unreachable")

    monkeypatch.setattr(supervisor, "resume", busy)
    watching = Supervisor(settings, lambda _: None, grace_s=0)
    with one_at_a_time(settings):
        watching.look()
        watching.look()
    assert tried == [["landing", "router"]] * 2


def test_what_was_cancelled_in_flink_is_noted_before_the_cluster_forgets_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bookmark(settings, "router", Bookmark("a"))
    known = Remembered(state(settings, "router", "a", "CANCELED"))
    monkeypatch.setattr(supervisor, "Cluster", lambda _url: known)
    watching = Supervisor(settings, lambda _: None, grace_s=0)
    with one_at_a_time(settings):
        watching.look()
    assert read_bookmark(settings, "router") == Bookmark("a")
    watching.look()
    assert read_bookmark(settings, "router") == Bookmark("a", cancelled=True)


def test_a_job_of_a_remote_cluster_is_not_started_from_where_its_run_began(
    settings: Settings, resumed: list[list[str]]
) -> None:
    lines: list[str] = []
    Supervisor(settings, lines.append, grace_s=0).look()
    assert resumed == []
    assert any("no checkpoint of its run lies in" in line for line in lines)


@pytest.mark.parametrize(
    ("state_of_part", "seconds", "started"),
    [("dead", 0, 1), ("unhealthy", 0, 0), ("unhealthy", 29, 0), ("unhealthy", 31, 1)],
)
def test_a_slow_part_is_given_time_and_a_dead_one_is_not(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    state_of_part: State,
    seconds: int,
    started: int,
) -> None:
    ups: list[str] = []

    class OneBroken:
        def __init__(self, _settings: Settings) -> None:
            pass

        def status(self) -> StackStatus:
            return StackStatus((PartStatus("kafka", "running"), PartStatus("jm", state_of_part)))

        def up(self) -> None:
            ups.append("up")
            raise StackError("the disk is full")

    now = [1_000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr(supervisor, "Stack", OneBroken)
    watching = Supervisor(load_settings(tmp_path), lambda _: None)
    with suppress(StackError):
        watching.look()
    if seconds:
        now[0] += seconds
        with suppress(StackError):
            watching.look()
    assert len(ups) == started


def test_a_stack_that_a_person_ended_stays_ended(
    tmp_path: Path,
) -> None:
    lines: list[str] = []
    watching = Supervisor(load_settings(tmp_path), lines.append)
    watching.look()
    watching.look()
    assert len(lines) == 1 and "was ended in order" in lines[0]


def test_it_outlives_whatever_goes_wrong_in_a_look(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    stop = threading.Event()
    looks = iter([KeyError("jobs"), OSError("disk full"), OSError("disk full"), None])

    def look(_: Supervisor) -> None:
        error = next(looks)
        if error is None:
            stop.set()
        else:
            raise error

    monkeypatch.setattr(Supervisor, "look", look)
    Supervisor(settings, lines.append).run(stop, 0)
    assert lines == ["KeyError: 'jobs'", "OSError: disk full"]


@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\n\r\n<html>", b"HTTP/1.1 200 OK\r\n"
               b"Content-Length: 9\r\n\r\n{}"]
)  # fmt: skip
def test_who_is_no_flink_is_no_cluster(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(65_536)
                peer.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(StackError, match="no Flink cluster answers"):
            Cluster(url, timeout_s=10).jobs()
        thread.join()


def test_a_cluster_is_not_asked_through_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(65_536)
                peer.sendall(b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"jobs": []}')

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert Cluster(url, timeout_s=10).jobs() == []
        thread.join()
