"""Samples of the flight recorder become lists of frames."""

from __future__ import annotations

from typing import Any

from bench.profile import allocations, collect, table


def frame(owner: str, name: str) -> dict[str, Any]:
    return {"method": {"type": {"name": owner}, "name": name}}


def sample(thread: str, *frames: tuple[str, str]) -> dict[str, Any]:
    stack = {"frames": [frame(*each) for each in frames]}
    return {"values": {"sampledThread": {"javaName": thread}, "stackTrace": stack}}


EVENTS = [
    sample("Source: s[1] (1/1)#0", ("org/apache/flink/A$12", "run"), ("workbench/B", "go")),
    sample("Source: s[1] (1/1)#0", ("workbench/B", "go"), ("workbench/B", "go")),
    sample("Sender-7", ("java/util/C", "put")),
]


def test_a_recursive_frame_counts_once_per_sample():
    found = collect(EVENTS)
    assert found.samples == 3
    assert found.by_self == {"flink.A.run": 1, "workbench.B.go": 1, "java.util.C.put": 1}
    assert found.by_total["workbench.B.go"] == 2
    assert found.by_thread == {"Source: s": 2, "Sender": 1}
    assert found.stacks["Source: s;workbench.B.go;flink.A.run"] == 1


def test_threads_can_be_left_out():
    assert collect(EVENTS, only="Source").samples == 2


def test_bytes_belong_to_the_first_frame_outside_the_jdk():
    stack = {"frames": [frame("java/util/Arrays", "copyOf"), frame("workbench/B", "go")]}
    values = {"weight": 100, "objectClass": {"name": "java/lang/String"}, "stackTrace": stack}
    classes, makers = allocations([{"values": values}, {"values": values}])
    assert classes == {"java.lang.String": 200}
    assert makers == {"workbench.B.go": 200}


def test_a_list_shows_shares_of_the_whole():
    assert table("self", collect(EVENTS).by_self, 3, top=1).splitlines()[0] == "self (3 samples)"
    assert " 33.3 %  " in table("self", collect(EVENTS).by_self, 3, top=1)
