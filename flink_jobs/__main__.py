"""``python -m flink_jobs``: a request as one line of JSON on stdin, one answer a line on stdout.

The workbench never imports PyFlink; it starts this process, with the environment of the Flink
home, and speaks plain values with it::

    {"command": "submit", "rest_url": "...",
     "jobs": [{"name": "router", "deployment": {...}, "going": {...}}]}
    {"command": "batch", "staged": "...", "output": "...", "work": "...",
     "jobs": [{"name": "router", "deployment": {...}}]}
    {"command": "compile", "jobs": [{"name": "router", "deployment": {...}, "going": {...}}]}
    {"command": "explain", "jobs": [{"name": "router", "deployment": {...}}]}

An answer is ``{"job": ..., "id": ...}``, ``{"job": ..., "done": true}``, ``{"job": ..., "plan":
...}``, ``{"job": ..., "incompatible": ...}`` where a job cannot go on from its state, or ``{"job":
..., "error": ...}``; after one of the last two nothing more is tried. What ``going`` holds is in
`flink_jobs.run.Going`.

Before a job is submitted comes ``{"job": ..., "starting": plan}``, and a line on stdin is waited
for: who asked writes down first what is about to start. Where nobody is there any more, nothing is.
"""

from __future__ import annotations

import json
import os
import re
import sys
import traceback
from pathlib import Path
from typing import Any


def _reason(error: BaseException) -> str:
    """The last cause of a Java error, or the error itself: one line."""
    java = getattr(error, "java_exception", None)
    if java is not None:
        while java.getCause() is not None:
            java = java.getCause()
        text = f"{java.getClass().getSimpleName()}: {java.getMessage()}"
    else:
        text = f"{type(error).__name__}: {error}"
    return re.sub(r"\s+", " ", text)[:600]


def main() -> int:
    """Carry out the request on stdin."""
    request: dict[str, Any] = json.loads(sys.stdin.readline())
    # Whatever libraries print goes to stderr; stdout carries answers only.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(**values: Any) -> None:
        answers.write(json.dumps(values) + "\n")
        answers.flush()

    def about_to_start(plan: str) -> None:
        answer(job=name, starting=plan)
        if not sys.stdin.readline():
            raise SystemExit(1)

    from flink_jobs import run
    from flink_jobs.ddl import Deployment
    from flink_jobs.plans import IncompatibleState
    from workbench.contracts import job_named

    for wanted in request["jobs"]:
        name = wanted["name"]
        job = job_named(name)
        deployment = Deployment(**wanted["deployment"])
        try:
            if request["command"] == "submit":
                going = run.Going(**wanted["going"])
                job_id = run.submit(deployment, job, request["rest_url"], going, about_to_start)
                answer(job=name, id=job_id)
            elif request["command"] == "batch":
                staged, output, work = (Path(request[key]) for key in ("staged", "output", "work"))
                (output / name).mkdir(parents=True)
                run.run_batch(deployment, job, staged, output / name, work)
                answer(job=name, done=True)
            elif request["command"] == "compile":
                going = run.Going(**wanted["going"])
                answer(job=name, plan=run.compiled(deployment, job, going))
            else:
                answer(job=name, plan=run.explain(deployment, job))
        except IncompatibleState as error:
            answer(job=name, incompatible=str(error))
            return 1
        except Exception as error:
            traceback.print_exc()
            answer(job=name, error=_reason(error))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
