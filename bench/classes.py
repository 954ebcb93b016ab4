"""Which classes Flink's JVMs load: the list that their archive is made from.

The demo runs once, all jobs and a drain in it, in a folder of its own, and every JVM writes down
what it loads. With an older list, classes that are not in it are loaded from the jars as ever.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from bench.lab import ROOT
from workbench.stack.class_sharing import CLASS_LIST

#: One of them is in the list of each JVM that counts.
_MAIN_CLASSES = {
    "org/apache/flink/runtime/entrypoint/StandaloneSessionClusterEntrypoint",
    "org/apache/flink/runtime/taskexecutor/TaskManagerRunner",
}


def merged(lists: Iterable[str]) -> str:
    """Return the classes of the cluster's JVMs as one list, without the project's own.

    Examples
    --------
    >>> main = "org/apache/flink/runtime/taskexecutor/TaskManagerRunner id: 7"
    >>> merged([f"java/lang/Object id: 0\\n{main}\\n", "java/lang/String id: 9\\n"]).split()
    ['java/lang/Object', 'org/apache/flink/runtime/taskexecutor/TaskManagerRunner']
    """
    found: dict[str, None] = {}
    for text in lists:
        # A class is a line; its number is only for those of other class loaders.
        lines = [line.partition(" id: ")[0] for line in text.splitlines()]
        if not _MAIN_CLASSES.isdisjoint(lines):
            found |= dict.fromkeys(line for line in lines if not line.startswith("#"))
    kept = (name for name in found if "workbench/" not in name and " source:" not in name)
    return "".join(f"{name}\n" for name in kept)


def record() -> Path:
    """Run the demo and write the list anew; return its file."""
    with tempfile.TemporaryDirectory() as temporary:
        lists = Path(temporary, "lists")
        lists.mkdir()
        project = Path(temporary, "project")
        project.mkdir()
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "WORKBENCH_PROJECT": str(project),
            # Not from an archive: what comes out of one need not be in the list.
            "JAVA_TOOL_OPTIONS": f"-Xshare:off -XX:DumpLoadedClassList={lists}/%p.lst",
        }
        demo = [str(Path(sys.executable).with_name("workbench")), "demo", "--history-days", "7"]
        subprocess.run(demo, check=True, env=environment, cwd=project)
        text = merged(file.read_text() for file in sorted(lists.glob("*.lst")))
    CLASS_LIST.write_bytes(gzip.compress(text.encode(), mtime=0))
    return CLASS_LIST
