"""Where the time of a job goes: Java's flight recorder on the TaskManager, as lists of frames."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.flinkjob import FlinkJob
from bench.lab import Lab
from bench.records import Shape
from workbench.stack.java import find_java

_NUMBER = re.compile(r"\$\d+(\+0x\w+(\.\d+)?)?|(?<=[a-z])\d{2,}")
_SHORTER = (
    ("org.apache.flink.kafka.shaded.org.apache.kafka.", "kafka."),
    ("org.apache.flink.shaded.jackson2.com.fasterxml.jackson.", "jackson."),
    ("org.apache.flink.", "flink."),
    ("org.apache.iceberg.", "iceberg."),
    ("workbench.functions.", ""),
)
#: Frames below every sample of a task: they say nothing.
_ROOTS = re.compile(
    r"java\.lang\.Thread\.|java\.util\.concurrent\.(ThreadPool|Future|Executors)"
    r"|flink\.runtime\.taskmanager\.Task\b|flink\.streaming\.runtime\.tasks\.(StreamTask|mailbox)"
)


@dataclass
class Frames:
    """Samples by frame.

    Attributes
    ----------
    samples
        How many samples there are.
    by_self, by_total
        How often a frame was on top; in how many samples it was at all.
    by_thread
        Samples by thread.
    stacks
        Samples by whole stack, root first, for flame graphs.
    """

    samples: int = 0
    by_self: Counter[str] = field(default_factory=Counter)
    by_total: Counter[str] = field(default_factory=Counter)
    by_thread: Counter[str] = field(default_factory=Counter)
    stacks: Counter[str] = field(default_factory=Counter)


def thread_group(name: str) -> str:
    """Return a thread's name without its numbers and job.

    Examples
    --------
    >>> thread_group("Source: source[1] -> Calc[2] (1/1)#0")
    'Source: source -> Calc'
    """
    plain = re.sub(r"\[\d+\]|\(\d+/\d+\)|#\d+|-\d+\b", "", name)
    return re.sub(r"\s+", " ", plain).strip()


def frame_name(frame: dict[str, Any]) -> str:
    """Return class and method of a frame; generated classes without their numbers.

    Examples
    --------
    >>> frame_name({"method": {"type": {"name": "StreamExecCalc$12"}, "name": "processElement"}})
    'StreamExecCalc.processElement'
    """
    method = frame["method"]
    owner = _NUMBER.sub("", method["type"]["name"].replace("/", "."))
    for long, short in _SHORTER:
        if owner.startswith(long):
            owner = short + owner.removeprefix(long)
            break
    return f"{owner}.{method['name']}"


def collect(events: Iterable[dict[str, Any]], only: str | None = None) -> Frames:
    """Count the frames of samples.

    Parameters
    ----------
    events
        ``jdk.ExecutionSample`` or ``jdk.NativeMethodSample``, as ``jfr print --json`` gives them.
    only
        A regular expression of threads to look at.
    """
    found = Frames()
    for event in events:
        values = event["values"]
        thread = values.get("sampledThread") or {}
        group = thread_group(thread.get("javaName") or "?")
        frames = [frame_name(f) for f in (values.get("stackTrace") or {}).get("frames", [])]
        if not frames or (only and not re.search(only, group)):
            continue
        found.samples += 1
        found.by_thread[group] += 1
        found.by_self[frames[0]] += 1
        for name in set(frames):
            if not _ROOTS.match(name):
                found.by_total[name] += 1
        found.stacks[";".join([group.replace(";", ","), *reversed(frames)])] += 1
    return found


def _jfr_events(java_home: Path, file: Path, *kinds: str) -> list[dict[str, Any]]:
    command = [str(java_home / "bin" / "jfr"), "print", "--json", "--stack-depth", "200"]
    printed = subprocess.run(
        [*command, "--events", ",".join(kinds), str(file)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    events: list[dict[str, Any]] = json.loads(printed)["recording"]["events"]
    return events


def allocations(events: Iterable[dict[str, Any]]) -> tuple[Counter[str], Counter[str]]:
    """Return the sampled bytes by class that was made, and by frame that made it."""
    classes: Counter[str] = Counter()
    makers: Counter[str] = Counter()
    for event in events:
        values = event["values"]
        weight = int(values["weight"])
        classes[values["objectClass"]["name"].replace("/", ".")] += weight
        frames = [frame_name(f) for f in (values.get("stackTrace") or {}).get("frames", [])]
        # The first frame that is not the JDK's says more than Arrays.copyOf does.
        ours = next((f for f in frames if not f.startswith(("java.", "jdk.", "sun."))), None)
        makers[ours or (frames[0] if frames else "?")] += weight
    return classes, makers


class Recorder:
    """The flight recorder of a running JVM.

    Parameters
    ----------
    pid
        The JVM.
    file
        Where the recording goes.
    """

    def __init__(self, pid: int, file: Path) -> None:
        self.pid, self.file = pid, file
        self.java_home = find_java().home

    def _jcmd(self, *words: str) -> str:
        done = subprocess.run(
            [self.java_home / "bin" / "jcmd", str(self.pid), *words],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def start(self) -> None:
        self._jcmd("JFR.configure", "stackdepth=128")
        self._jcmd("JFR.start", "name=bench", "settings=profile")

    def stop(self) -> None:
        self.file.unlink(missing_ok=True)
        self._jcmd("JFR.stop", "name=bench", f"filename={self.file}")

    def frames(self, only: str | None = None) -> Frames:
        return collect(_jfr_events(self.java_home, self.file, "jdk.ExecutionSample"), only)

    def allocations(self) -> tuple[Counter[str], Counter[str]]:
        return allocations(_jfr_events(self.java_home, self.file, "jdk.ObjectAllocationSample"))

    def pauses(self) -> tuple[int, float]:
        """Return how many garbage collections there were, and the seconds they took."""
        events = _jfr_events(self.java_home, self.file, "jdk.GarbageCollection")
        seconds = [_seconds(event["values"]["sumOfPauses"]) for event in events]
        return len(seconds), sum(seconds)


def _seconds(text: str | float) -> float:
    """A duration as ``jfr`` prints it.

    >>> _seconds("PT0.0125S"), _seconds("PT1M2.5S")
    (0.0125, 62.5)
    """
    if not isinstance(text, str):
        return float(text)
    found = re.fullmatch(r"PT(?:(\d+)M)?([\d.]+)S", text)
    return 60 * float(found[1] or 0) + float(found[2]) if found else 0.0


def table(title: str, counts: Counter[str], total: int, top: int, unit: str = "samples") -> str:
    """Return the largest counts as lines with their share."""
    lines = [f"{title} ({total:,} {unit})"]
    for name, count in counts.most_common(top):
        lines.append(f"  {100 * count / max(total, 1):5.1f} %  {name}")
    return "\n".join(lines)


def profile(
    lab: Lab, shape: Shape, names: list[str], *, warm: bool, top: int, only: str | None
) -> str:
    """Record the TaskManager while jobs eat the topic; return what there is to say about it.

    Parameters
    ----------
    lab
        A running lab.
    shape
        The topic.
    names
        Jobs of the registry that run together.
    warm
        Let the jobs eat the topic once before, so that classes are loaded and compiled.
    top
        How many lines of each list.
    only
        A regular expression of threads to look at.
    """
    lab.preload(shape)
    out = lab.folder / "profile"
    out.mkdir(exist_ok=True)
    if warm:
        lab.progress("warming up")
        _once(FlinkJob(lab, shape, "profile-warm-" + lab.stamp(), names))
    recorder = Recorder(lab.pid_of("taskmanager"), out / f"{'-'.join(names)}.jfr")
    job = FlinkJob(lab, shape, "profile-" + lab.stamp(), names)
    lab.progress("recording")
    _once(job, recorder)
    frames = recorder.frames(only)
    collapsed = out / f"{'-'.join(names)}.collapsed"
    collapsed.write_text("".join(f"{s} {n}\n" for s, n in sorted(frames.stacks.items())))
    classes, makers = recorder.allocations()
    collections, paused = recorder.pauses()
    allocated = sum(classes.values())
    return "\n\n".join(
        [
            table("threads", frames.by_thread, frames.samples, top),
            table("self: the method that ran", frames.by_self, frames.samples, top),
            table("total: it or what it called", frames.by_total, frames.samples, 2 * top),
            table("allocated classes", classes, allocated, top, "bytes"),
            table("allocated by", makers, allocated, top, "bytes"),
            f"{collections} garbage collections, {paused:.2f} s in all",
            f"recording: {recorder.file}\nstacks for a flame graph: {collapsed}",
        ]
    )


def _once(job: FlinkJob, recorder: Recorder | None = None) -> None:
    job.prepare()
    if recorder:
        recorder.start()  # who waits is not sampled: the client may take its time
    job.start()
    try:
        job.wait_until_read()
        job.commit()
    finally:
        if recorder:
            recorder.stop()
        job.end()
