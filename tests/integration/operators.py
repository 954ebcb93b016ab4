"""The operators with state of every job, from its compiled plan.

``python -m tests.integration.operators`` writes what is new to ``flink_jobs/*/operators.json``.
Ids that are there stay: a savepoint of any release finds its operators by them.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from flink_jobs.plans import operators, registry_file
from workbench.config import load_settings
from workbench.contracts import JOBS
from workbench.jobs.deployment import deployment
from workbench.jobs.process import ask
from workbench.lake import tables

Operators = dict[str, dict[str, object]]
#: Settings that bring in operators of their own.
VARIANTS = (0, 60)


def compiled_operators(project: Path, deduplicate_s: int) -> dict[str, Operators]:
    """Return each job's operators with state, with or without de-duplication."""
    settings = load_settings(project, flink={"deduplicate_s": deduplicate_s})
    tables.apply(settings)
    requests = []
    for job in JOBS:
        values = deployment(settings, job.name, kafka=False)
        values |= {"kafka": {"bootstrap.servers": "127.0.0.1:9"}}
        requests.append({"name": job.name, "deployment": values, "going": {}})
    return {
        answer["job"]: {
            operator.role: {"id": operator.id, "state": operator.state}
            for operator in operators(json.loads(answer["plan"]))
        }
        for answer in ask(settings, {"command": "compile", "jobs": requests})
    }


def main() -> None:
    """Write the registries."""
    with tempfile.TemporaryDirectory() as folder:
        # One after the other: what is new gets the next ids behind those that are written.
        for deduplicate_s in VARIANTS:
            for job, found in compiled_operators(Path(folder), deduplicate_s).items():
                file = registry_file(job)
                known = json.loads(file.read_text("utf-8")) if file.is_file() else {}
                file.write_text(json.dumps(known | found, indent=2) + "\n", "utf-8")
                if known != known | found:
                    print(f"{job}: {len(known)} operators before, {len(known | found)} now")


if __name__ == "__main__":
    main()
