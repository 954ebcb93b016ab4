"""Other engines on the same work: each a program in an environment of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.answers import (
    Expected,
    check_minutes,
    check_routed,
    last_of_each,
    minutes_lost_and_doubled,
    routed_lost_and_doubled,
)
from bench.environments import environment_of
from bench.lab import SOURCE, Lab
from bench.outputs import Message, make_topics
from bench.records import CLOSE_MS, Shape
from workbench.contracts.topics import ROUTES, UNROUTABLE

PEERS = Path(__file__).parent / "peers"


@dataclass(frozen=True)
class Program:
    """An engine as a program.

    Parameters
    ----------
    name
        What it is called on the page.
    folder
        Its folder under ``bench/peers``, which is also the name of its environment.
    file
        The program there.
    tasks
        ``minutes``, ``route``, ``consume``.
    durability
        What a kill leaves, in words.
    survives
        Whether it is meant to survive a kill without loss.
    exactly_once
        Whether readers of committed messages see every message once, also after a kill.
    package
        The package whose version is shown.
    durable
        Passed on to the program.
    """

    name: str
    folder: str
    file: str
    tasks: tuple[str, ...]
    durability: str
    survives: bool
    exactly_once: bool
    package: str
    durable: bool = True


PROGRAMS: tuple[Program, ...] = (
    Program(
        "quixstreams",
        "quixstreams",
        "main.py",
        ("minutes", "route"),
        "exactly-once: Kafka transactions, RocksDB with changelog topics",
        True,
        True,
        "quixstreams",
    ),
    Program(
        "bytewax",
        "bytewax",
        "main.py",
        ("minutes", "route"),
        "at-least-once: snapshots in SQLite every 5 s",
        True,
        False,
        "bytewax",
    ),
    Program(
        "pathway",
        "pathway",
        "main.py",
        ("minutes", "route"),
        "at-least-once: its input on disk every 5 s, computed again after a kill",
        True,
        False,
        "pathway",
    ),
    Program(
        "DuckDB loop, durable",
        "loops",
        "minutes.py",
        ("minutes",),
        "state and offsets in one DuckDB file; windows are sent again after a kill",
        True,
        False,
        "duckdb",
    ),
    Program(
        "DuckDB loop, in memory",
        "loops",
        "minutes.py",
        ("minutes",),
        "none: a kill loses open and counted windows",
        False,
        False,
        "duckdb",
        durable=False,
    ),
    Program(
        "confluent-kafka loop",
        "loops",
        "route.py",
        ("route",),
        "exactly-once: a Kafka transaction per batch",
        True,
        True,
        "confluent-kafka",
    ),
    Program(
        "consuming alone",
        "loops",
        "consume.py",
        ("consume",),
        "none",
        False,
        False,
        "confluent-kafka",
    ),
)


def environment(lab: Lab, folder: str) -> Path:
    """Return the Python of a peer's environment; made from its lock where it is missing or older.

    Raises
    ------
    subprocess.CalledProcessError
        Where it cannot be installed; the message is in its ``stderr``.
    """
    lock = PEERS / folder / "requirements.lock"
    return environment_of(lock, lab.folder / "envs" / folder, lab.progress)


def version(lab: Lab, program: Program) -> str:
    """Return the version of the package a program is written with."""
    code = f"import importlib.metadata as m; print(m.version({program.package!r}))"
    done = subprocess.run(
        [environment(lab, program.folder), "-c", code], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


class Peer:
    """A program on a task as an engine; see `bench.engine.Engine`."""

    def __init__(self, lab: Lab, shape: Shape, program: Program, task: str) -> None:
        self.lab, self.shape, self.program, self.task = lab, shape, program, task
        self.name, self.durability = program.name, program.durability
        self.transactional = program.exactly_once
        self.run = f"{program.folder}-{task}-{lab.stamp()}"
        self._state = lab.folder / "runs" / self.run
        self._python = environment(lab, program.folder)
        self._expected = Expected(lab.folder / "expected", shape)
        self._process: subprocess.Popen[bytes] | None = None
        self.prefix = f"{self.run}."

    def topics(self) -> list[str]:
        """Return the full names of its output topics."""
        if self.task == "route":
            return [self.prefix + name for name in dict.fromkeys((*ROUTES.values(), UNROUTABLE))]
        return [self.prefix + self.task]

    def outputs(self) -> list[str]:
        make_topics(self.lab.bootstrap_servers, self.topics())
        return self.topics()

    def expected(self) -> int:
        """How many messages the result has, at least."""
        if self.task == "route":
            return self.shape.total
        return len(self._expected.minutes()) if self.task == "minutes" else 1

    def start(self) -> None:
        self._state.mkdir(parents=True, exist_ok=True)
        config = {
            "task": self.task,
            "servers": self.lab.bootstrap_servers,
            "source": f"{self.shape.name}.{SOURCE}",
            "outputs": self.topics(),
            "routes": {status: self.prefix + topic for status, topic in ROUTES.items()},
            "group": self.run,
            "state": str(self._state),
            "total": self.shape.total,
            "durable": self.program.durable,
        }
        log = self.lab.folder / "logs" / f"{self.run}.log"
        log.parent.mkdir(exist_ok=True)
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [self._python, PEERS / self.program.folder / self.program.file, json.dumps(config)],
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self._state,
                env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
            )
        self._log = log

    def processes(self) -> list[psutil.Process]:
        try:
            return [psutil.Process(self._process.pid)] if self._process else []
        except psutil.Error:
            return []

    def commit(self) -> None:
        """They commit by themselves."""

    def check_alive(self) -> None:
        if self._process is None or self._process.poll() is not None:
            lines = self._log.read_text(errors="replace").splitlines()[-5:]
            raise RuntimeError(f"{self.name} ended: {' | '.join(lines)}")

    def crash(self) -> None:
        """End it as a crash does, and start it again."""
        self.kill()
        self.start()

    def kill(self) -> None:
        """End it and its children without a word."""
        for process in self.processes():
            for each in [*process.children(recursive=True), process]:
                each.kill()
        if self._process:
            self._process.wait(30)

    def end(self) -> None:
        # Nobody waits for an orderly end: what was to be committed is.
        self.kill()
        shutil.rmtree(self._state, ignore_errors=True)

    def is_result(self, message: Message) -> bool:
        """Whether a message is a result of the day."""
        if self.task != "minutes":
            return True
        return bool(json.loads(message[2] or b"{}")["start"] < CLOSE_MS)

    def wrong(self, messages: list[Message]) -> str | None:
        if self.task == "route":
            return check_routed(messages, self.prefix, self._expected.routed())
        if self.task == "minutes":
            return check_minutes(last_of_each(messages), self._expected.minutes())
        count = json.loads(messages[-1][2] or b"{}").get("count")
        return None if count >= self.shape.total else f"{count} of {self.shape.total} consumed"

    def lost_and_doubled(self, messages: list[Message]) -> tuple[int, int]:
        """Return how many results are missing or wrong, and how many messages are too many."""
        if self.task == "route":
            return routed_lost_and_doubled(messages, self.prefix, self._expected.routed())
        return minutes_lost_and_doubled(messages, self._expected.minutes())
