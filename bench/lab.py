"""The place benchmarks happen in: a stack of its own, and topics that are filled once and kept."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]

from bench.records import Shape, records
from workbench.broker.clients import cluster_metadata, make_admin, make_producer, topic_name
from workbench.config import Settings, load_settings
from workbench.contracts import TOPICS
from workbench.stack import Stack, endpoints
from workbench.stack.files import Layout
from workbench.stack.processes import find

ROOT = Path(__file__).parents[1]
SOURCE = "raw.trades"
#: Engines stamp what they write by their own clocks, or by the event's; the broker has one clock.
STAMPED_BY_BROKER = {"message.timestamp.type": "LogAppendTime"}
Progress = Callable[[str], None]


class Lab:
    """A stack in a folder of its own, which keeps its topics from one call to the next.

    Parameters
    ----------
    folder
        Where everything is kept; removing it starts anew.
    slots
        Slots of the TaskManager.
    heap_mb
        Java heap of the TaskManager.
    progress
        Told what is going on.
    """

    def __init__(
        self, folder: Path, *, slots: int = 8, heap_mb: int = 768, progress: Progress = print
    ) -> None:
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.progress = progress
        self._stack: dict[str, Any] = {
            "folder": self.folder / "stack",
            "slots": slots,
            "taskmanager_heap_mb": heap_mb,
        }
        self.stack = Stack(load_settings(self.folder, stack=self._stack))

    @contextmanager
    def running(self) -> Iterator[Lab]:
        """The stack runs inside, and is ended after; topics stay."""
        self.up()
        try:
            yield self
        finally:
            self.stack.down()
            shutil.rmtree(self.folder / "runs", ignore_errors=True)

    def up(self) -> None:
        """Start what does not run."""
        self.stack.up(self.progress)

    def restart_taskmanager(self, part: str = "taskmanager") -> None:
        """End a TaskManager and start a new one: nothing is compiled or loaded there."""
        self.pid_of(part, kill=True)
        self.up()

    def add_taskmanager(self) -> None:
        """Start a second TaskManager; jobs are spread over both."""
        self._stack["taskmanagers"] = 2
        self.stack = Stack(load_settings(self.folder, stack=self._stack))
        self.up()

    def pid_of(self, part: str, *, kill: bool = False) -> int:
        """Return the process id of a part of the stack."""
        process = find(Layout(self.stack.settings.stack_folder), part)
        assert process is not None, f"{part} does not run"
        if kill:
            process.kill()
            process.wait(10)
        return int(process.pid)

    def stamp(self) -> str:
        """Return a name that no earlier run in this folder had."""
        return f"{time.time_ns() // 1_000_000:x}"

    @property
    def rest_url(self) -> str:
        return endpoints(self.stack.settings, kafka=False).rest_url

    @property
    def bootstrap_servers(self) -> str:
        return endpoints(self.stack.settings, flink=False).bootstrap_servers

    def settings(self, shape: Shape, run: str, **sections: Any) -> Settings:
        """Return settings of one run: a group and tables of its own, the topics of the shape."""
        flink = {"deployment": run, "checkpoint_interval_ms": 5_000, **sections.pop("flink", {})}
        return load_settings(
            self.folder,
            stack=self._stack,
            kafka={"topic_prefix": f"{shape.name}."},
            lake={"warehouse": self.folder / "runs" / run / "warehouse"},
            flink=flink,
            **sections,
        )

    def preload(self, shape: Shape) -> float:
        """Fill the source topic of a shape, once; return the seconds it took, 0 where it is there.

        The other topics of the contracts are made beside it, with two partitions at most.
        """
        marker = self.folder / "filled" / f"{shape.name}.json"
        settings = self.settings(shape, "preload")
        source = topic_name(settings, shape.source)
        known = set(cluster_metadata(settings).topics)
        if marker.is_file() and source in known:
            return 0.0
        admin = make_admin(settings)
        if source in known:  # half of it, by a run that was cut off
            _results(admin.delete_topics([source]))
            _wait(lambda: source not in cluster_metadata(settings).topics, f"{source} is gone")
        new = [
            NewTopic(
                topic_name(settings, topic.name),
                shape.partitions if topic.name == shape.source else min(topic.partitions, 2),
                config={**topic.config, "retention.ms": "-1", **STAMPED_BY_BROKER},
            )
            for topic in TOPICS
            if topic_name(settings, topic.name) not in known - {source}
        ]
        _results(admin.create_topics(new, operation_timeout=30))
        _wait(
            lambda: {topic.topic for topic in new} <= set(cluster_metadata(settings).topics),
            "the topics are there",
        )
        self.progress(f"filling {source} with {shape.total:,} records")
        began = time.monotonic()
        producer = make_producer(settings)
        for key, value in records(shape):
            while True:
                try:
                    producer.produce(source, value=value, key=key)
                    break
                except BufferError:
                    producer.poll(0.1)
        left = producer.flush(120)
        assert left == 0, f"{left} records were not delivered"
        marker.parent.mkdir(exist_ok=True)
        marker.write_text(json.dumps(shape.as_dict()))
        return time.monotonic() - began


def _results(futures: dict[str, Any]) -> None:
    for future in futures.values():
        future.result()


def _wait(condition: Callable[[], bool], what: str, timeout: float = 60) -> None:
    until = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"not within {timeout:.0f} s: {what}")
        time.sleep(0.1)
