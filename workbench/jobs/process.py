"""Talk to the process that runs PyFlink: a request on its stdin, answers on its stdout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from workbench.config import Settings
from workbench.contracts import job_named
from workbench.errors import StackError, UsageError
from workbench.stack import client_environment

ROOT = Path(__file__).parents[2]


class IncompatibleStateError(UsageError):
    """A job cannot go on from its state."""

    def __init__(self, job: str, why: str) -> None:
        hint = "--drop-state lets these operators start empty and keeps the rest"
        if job_named(job).windowed:
            hint += f"; open windows are kept by `workbench jobs stop {job} --drain` and `submit`"
        super().__init__(f"job {job} cannot go on from its state: {why}", hint=hint)


def ask(
    settings: Settings,
    request: dict[str, Any],
    *,
    heap_mb: int = 640,
    about_to_start: Callable[[str, str], None] = lambda _job, _plan: None,
) -> Iterator[dict[str, Any]]:
    """Yield the answers to a request as they come; see ``flink_jobs.__main__``.

    Parameters
    ----------
    settings, request
        The settings in force, and what is asked for.
    heap_mb
        Heap of the process.
    about_to_start
        Told each job that is about to be submitted, and its plan; what it raises prevents that.

    Raises
    ------
    IncompatibleStateError
        When a job cannot go on from its state.
    StackError
        When a job was refused, or the process ended without an answer for each.
    """
    environment = {**os.environ, **client_environment(settings)}
    environment["JVM_ARGS"] = f"-Xmx{heap_mb}m " + " ".join(
        part for part in environment.get("JVM_ARGS", "").split() if not part.startswith("-Xmx")
    )
    environment["PYTHONPATH"] = os.pathsep.join(
        part for part in (str(ROOT), environment.get("PYTHONPATH")) if part
    )
    log_folder = settings.stack_folder / "logs"
    log_folder.mkdir(parents=True, exist_ok=True)
    # PyFlink talks a lot on stderr; it is kept, and shown only by `workbench stack logs`.
    with tempfile.NamedTemporaryFile(
        "w+", dir=log_folder, prefix="client-", suffix=".log", delete=False
    ) as log:
        process = subprocess.Popen(
            # -P: what the working directory happens to hold is no part of the jobs.
            [sys.executable, "-P", "-m", "flink_jobs"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
        )
        assert process.stdin is not None and process.stdout is not None
        try:
            # Not closed: at its end, the process takes us for dead and starts nothing.
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            answered = 0
            for line in process.stdout:
                answer = json.loads(line)
                if "starting" in answer:
                    about_to_start(answer["job"], answer["starting"])
                    process.stdin.write("\n")
                    process.stdin.flush()
                    continue
                if "incompatible" in answer:
                    raise IncompatibleStateError(answer["job"], answer["incompatible"])
                if "error" in answer:
                    raise StackError(
                        f"job {answer['job']}: {answer['error']}", hint=f"more in {log.name}"
                    )
                answered += 1
                yield answer
            code = process.wait()
        finally:
            with suppress(OSError):
                process.stdin.close()
            process.stdout.close()
            if process.poll() is None:
                process.terminate()
                process.wait(timeout=30)
    if code != 0 or answered != len(request["jobs"]):
        raise StackError(
            f"the Flink client ended with code {code} after {answered} of "
            f"{len(request['jobs'])} jobs",
            hint=f"see {log.name}",
        )
    Path(log.name).unlink(missing_ok=True)
