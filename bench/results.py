"""Results as JSON: one file per suite, and the ones that are shown in docs/benchmarks.json."""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from bench.lab import ROOT
from workbench.stack.java import find_java

FOLDER = ROOT / "bench" / "results"
SHOWN = ROOT / "docs" / "benchmarks.json"
_PACKAGES = ("apache-flink", "confluent-kafka", "duckdb", "pandas", "polars", "pyiceberg")
_JARS = ("kafka_2.13", "flink-sql-connector-kafka", "iceberg-flink-runtime-2.1")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _jars() -> dict[str, str]:
    found = {}
    for line in (ROOT / "jars.lock").read_text().splitlines():
        for name in _JARS:
            if f":{name}:" in line:
                found[name] = line.split(f":{name}:")[1].split()[0].split(":")[0]
    return found


def _words(given: list[str]) -> list[str]:
    """The command without its note, which has a place of its own."""
    at = given.index("--note") if "--note" in given else len(given)
    return given[:at] + given[at + 2 :]


def facts() -> dict[str, Any]:
    """Return what the numbers depend on: machine, versions, load, command, time."""
    return {
        "command": "python -m bench " + " ".join(_words(sys.argv[1:])),
        "finished": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": {
            "processor": _processor(),
            "cores": len(os.sched_getaffinity(0)),
            "memory_gib": round(psutil.virtual_memory().total / 2**30),
            "system": f"Linux {platform.release().split('-')[0]}",
        },
        "load": [round(value, 1) for value in os.getloadavg()],
        "versions": {
            "Python": platform.python_version(),
            "Java": find_java().version,
            **{name: version(name) for name in _PACKAGES},
            **_jars(),
        },
    }


def save(suite: str, content: dict[str, Any]) -> Path:
    """Write the results of a suite."""
    FOLDER.mkdir(exist_ok=True)
    file = FOLDER / f"{suite}.json"
    file.write_text(json.dumps(content, indent=1) + "\n")
    return file


def gather() -> dict[str, Any]:
    """Return what was shown until now, with the newer results of `FOLDER` in its place."""
    shown: dict[str, Any] = json.loads(SHOWN.read_text()) if SHOWN.is_file() else {}
    for file in sorted(FOLDER.glob("*.json")):
        shown[file.stem] = json.loads(file.read_text())
    return shown


def rounded(value: Any) -> Any:
    """Return a value with its floats to four significant digits, as more are noise.

    Examples
    --------
    >>> rounded({"a": [123456.789, 0.00012345678, 3]})
    {'a': [123500.0, 0.0001235, 3]}
    """
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value
