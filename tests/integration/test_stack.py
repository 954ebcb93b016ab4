"""The embedded stack under what really happens: kills, stale records, taken ports, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from confluent_kafka.admin import AdminClient

from workbench.config import load_settings
from workbench.errors import StackError, UsageError
from workbench.stack import Stack, endpoints, flink
from workbench.stack.processes import Record, read_record, recorded, write_record


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for a condition; fail where it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


def of_folder(folder: Path) -> list[psutil.Process]:
    """Every process of the stack in a folder, found without the stack's own records."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if f"-Dworkbench.stack={folder}" in process.cmdline():
                found.append(process)
    return found


def kill(stack: Stack, part: str) -> None:
    process = recorded(stack.layout, part)
    assert process is not None
    process.kill()
    process.wait(10)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Stack]:
    """A stack of the test's own that does not run yet."""
    stack = Stack(load_settings(tmp_path))
    yield stack
    stack.down()


def test_up_answers_where_it_says(stack: Stack) -> None:
    found = endpoints(stack.settings)
    assert (
        AdminClient({"bootstrap.servers": found.bootstrap_servers}).list_topics(timeout=5).brokers
    )
    assert flink.ask(found.rest_url, "/overview")["slots-total"] == stack.settings.stack.slots


def test_up_again_starts_nothing(stack: Stack) -> None:
    before = [part.pid for part in stack.status().parts]
    assert [part.pid for part in stack.up().parts] == before


def test_status_says_where_since_when_and_how_big(stack: Stack) -> None:
    for part in stack.status().parts:
        assert part.state == "running"
        assert part.pid
        assert part.since
        assert part.memory_mb
    assert stack.status().part("jobmanager").address.startswith("http://127.0.0.1:")


def test_the_cluster_maps_its_classes_from_an_archive(stack: Stack) -> None:
    """Java says nothing where it does not like an archive: it would only be slower."""
    for part in ("jobmanager", "taskmanager"):
        maps = Path(f"/proc/{stack.status().part(part).pid}/maps").read_text()
        assert "/workbench/classes/flink-" in maps, part


def test_idle_it_takes_less_than_4_gb(stack: Stack) -> None:
    assert sum(part.memory_mb or 0 for part in stack.status().parts) < 4096


def test_everything_listens_on_loopback_only(stack: Stack) -> None:
    addresses = [
        connection.laddr.ip
        for part in stack.status().parts
        for connection in psutil.Process(part.pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert addresses
    assert {address.removeprefix("::ffff:") for address in addresses} == {"127.0.0.1"}


@pytest.mark.parametrize("part", ["kafka", "taskmanager", "jobmanager"])
def test_a_killed_part_is_reported_and_mended(stack: Stack, part: str) -> None:
    before = {each.part: each.pid for each in stack.status().parts}
    kill(stack, part)
    assert stack.status().part(part).state == "dead"
    assert "workbench stack up" in stack.status().part(part).note
    assert not stack.status().healthy

    after = stack.up()

    assert after.healthy
    changed = {each.part for each in after.parts if each.pid != before[each.part]}
    assert changed == {part}


def test_a_killed_jobmanager_admits_that_its_jobs_are_gone(stack: Stack) -> None:
    kill(stack, "jobmanager")
    try:
        assert "its jobs with it" in stack.status().part("jobmanager").note
        with pytest.raises(StackError, match=r"no cluster is running .*workbench stack up"):
            endpoints(stack.settings)
        assert endpoints(stack.settings, flink=False).bootstrap_servers
    finally:
        stack.up()


def test_a_process_without_a_record_is_adopted(stack: Stack) -> None:
    before = stack.status().part("kafka").pid
    (stack.layout.run / "kafka.json").unlink()
    assert stack.status().part("kafka").pid == before
    assert stack.up().part("kafka").pid == before


def test_topics_survive_down_and_up(tmp_path: Path) -> None:
    """Also: two stacks in two folders run at once, with the ports of the last time."""
    from confluent_kafka.admin import NewTopic

    own = Stack(load_settings(tmp_path, flink={"rest_url": "http://127.0.0.1:1"}))
    try:
        own.up()
        address = endpoints(own.settings).bootstrap_servers
        client = AdminClient({"bootstrap.servers": address})
        client.create_topics([NewTopic("kept", 1, 1)])["kept"].result(10)
        assert own.down() == ["kafka"]
        assert not of_folder(own.layout.folder)
        assert own.status().part("kafka").state == "down"
        own.up()
        assert endpoints(own.settings).bootstrap_servers == address
        client = AdminClient({"bootstrap.servers": address})
        assert "kept" in client.list_topics(timeout=5).topics
    finally:
        own.purge()
    assert not own.layout.folder.exists()


def test_two_stacks_do_not_share_anything(stack: Stack, own: Stack) -> None:
    own.up()
    mine, theirs = own.status(), stack.status()
    assert mine.healthy
    assert theirs.healthy
    assert {p.pid for p in mine.parts}.isdisjoint(p.pid for p in theirs.parts)
    assert endpoints(own.settings) != endpoints(stack.settings)
    own.down()
    assert stack.status().healthy


def test_a_stale_record_with_the_pid_of_another_process_is_not_believed(own: Stack) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        own.layout.make()
        started = psutil.Process(bystander.pid).create_time()
        write_record(own.layout, Record("kafka", bystander.pid, started))
        assert own.status().part("kafka").state == "dead"
        own.down()
        assert bystander.poll() is None
        assert read_record(own.layout, "kafka") is None
    finally:
        bystander.kill()
        bystander.communicate()


def test_a_taken_configured_port_is_named_with_its_holder(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        stack = Stack(load_settings(tmp_path, stack={"kafka_port": port}))
        with pytest.raises(StackError) as error:
            stack.up()
    assert f"port {port} (stack.kafka_port) is taken by" in str(error.value)
    assert f"(pid {os.getpid()})" in str(error.value)
    assert "\n" not in str(error.value)
    assert not of_folder(stack.layout.folder)


def test_a_remembered_port_that_is_taken_is_replaced(own: Stack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        own.layout.make()
        ports = {"kafka": port, "kafka_controller": 1, "flink_rest": 2, "flink_rpc": 3}
        own.layout.state.write_text(json.dumps({"ports": ports}))
        own.settings.flink.rest_url = "http://127.0.0.1:1"
        assert own.up().part("kafka").state == "running"
        assert endpoints(own.settings).bootstrap_servers != f"127.0.0.1:{port}"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_an_up_that_is_ended_leaves_no_process(tmp_path: Path, name: str) -> None:
    folder = Stack(load_settings(tmp_path)).layout.folder
    up = subprocess.Popen(
        [sys.executable, "-c", "from workbench.cli import main; main(['stack', 'up'])"],
        env={**os.environ, "WORKBENCH_PROJECT": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until(lambda: len(of_folder(folder)) >= 2)
    # As a terminal does it: everybody in the foreground group gets the signal.
    os.killpg(up.pid, signal.Signals[name])
    _, said = up.communicate(timeout=30)
    assert up.returncode == (-signal.SIGKILL if name == "SIGKILL" else 130)
    assert "Traceback" not in said
    if name == "SIGKILL":
        until(lambda: not of_folder(folder), 30)
    assert not of_folder(folder)


def of_project(folder: Path) -> list[psutil.Process]:
    """Every process that works in a project: of the stack, of PyFlink, of a report."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("WORKBENCH_PROJECT") == str(folder):
                found.append(process)
    return [*found, *of_folder(folder / ".workbench")]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_demo_that_is_ended_leaves_no_process(tmp_path: Path, name: str) -> None:
    said = tmp_path / "said"
    with said.open("w") as stderr:
        demo = subprocess.Popen(
            [sys.executable, "-c", "from workbench.cli import main; main(['demo'])"],
            env={**os.environ, "WORKBENCH_PROJECT": str(tmp_path)},
            stdout=stderr,
            stderr=stderr,
            start_new_session=True,
        )
    try:
        # By then `up` is through: it has a guard of its own, the rest of the demo has none.
        until(lambda: "history:" in said.read_text())
        assert len(of_folder(tmp_path / ".workbench")) == 3
        demo.send_signal(signal.Signals[name])
        assert demo.wait(60) == 128 + signal.Signals[name]
        assert said.read_text().splitlines()[-1] == "stopped"
        assert "Traceback" not in said.read_text()
        assert not of_project(tmp_path)
    finally:
        demo.kill()
        demo.wait(10)
        Stack(load_settings(tmp_path)).down()


def test_an_up_that_fails_leaves_no_process(tmp_path: Path) -> None:
    stack = Stack(load_settings(tmp_path, stack={"slots": 1}))
    stack.layout.make()
    # The broker's folder of data is a file: formatting cannot work, and the cluster runs by then.
    (stack.layout.kafka / "data").write_text("in the way")
    with pytest.raises(StackError, match="storage could not be formatted"):
        stack.up()
    assert not of_folder(stack.layout.folder)
    assert stack.status().down


def test_a_part_that_dies_at_the_start_says_why(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, stack={"kafka_heap_mb": 10**12})
    settings.flink.rest_url = "http://127.0.0.1:1"
    stack = Stack(settings)
    with pytest.raises(
        StackError, match=r"kafka ended while starting: .*workbench stack logs kafka"
    ):
        stack.up()


FULL_DISK = """
import sys
from pathlib import Path
from workbench.config import load_settings
from workbench.errors import StackError, UsageError
from workbench.stack import Stack, stack

project = Path(sys.argv[1])
(project / "fill").write_bytes(bytes(int(sys.argv[2]) << 20))
stack.check_free_space = lambda folder: None  # It would say so before anything is started.
try:
    Stack(load_settings(project)).up()
except StackError as error:
    print(error)
"""


@pytest.mark.skipif(
    subprocess.run(["unshare", "-Urm", "true"], check=False).returncode != 0,
    reason="no right to mount a tiny disk; tests/unit/test_files.py meets a full device instead",
)
@pytest.mark.parametrize("megabytes", [63, 58])
def test_a_full_disk_is_one_clear_error(tmp_path: Path, megabytes: int) -> None:
    """Full before the first file is written, and full once the processes write their logs."""
    mount = 'mount -t tmpfs -o size=64m tmpfs "$1" && exec "$2" -c "$3" "$1" "$4"'
    command = ["unshare", "-Urm", "sh", "-c", mount, "sh"]
    command += [str(tmp_path), sys.executable, FULL_DISK, str(megabytes)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    assert "full" in done.stdout
    assert "make room" in done.stdout
    assert len(done.stdout.splitlines()) == 1, done.stdout
    assert not of_folder(tmp_path / ".workbench")


def test_one_up_at_a_time(own: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.stack import lock

    monkeypatch.setattr(lock, "LOCK_TIMEOUT", 0.3)
    own.settings.flink.rest_url = "http://127.0.0.1:1"
    said: list[str] = []
    with (
        lock.locked(own.layout, lambda _: None),
        pytest.raises(StackError, match="another `workbench stack` command"),
    ):
        own.up(said.append)
    assert "waiting" in said[0]


def test_the_doctor_sees_a_running_stack(stack: Stack) -> None:
    from workbench.doctor import CHECKS

    checks = list(CHECKS["stack"](stack.settings))
    assert [(check.name, check.state) for check in checks] == [
        ("broker", "ok"),
        ("cluster", "ok"),
        ("cluster", "ok"),
    ]


def test_a_configured_broker_is_used_instead_of_an_own(stack: Stack, tmp_path: Path) -> None:
    found = endpoints(stack.settings)
    settings = load_settings(
        tmp_path,
        kafka={"bootstrap_servers": found.bootstrap_servers},
        flink={"rest_url": found.rest_url},
    )
    assert endpoints(settings) == found
    assert Stack(settings).status().down
    with pytest.raises(UsageError, match="nothing is embedded"):
        Stack(settings).up()
