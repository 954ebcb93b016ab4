"""The report market_day as a Dagster asset: on time, tried again where that may help, checked.

Dagster has an environment of its own and calls the workbench in its one: the variable WORKBENCH
is the command (``/srv/workbench/.venv/bin/workbench``), WORKBENCH_PROJECT the project folder.
"""

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import dagster as dg

REPORT = "market_day"
PARAMETERS = {"top": "10"}
#: A cell that raised, failed checks and things that cannot be are the same at every attempt. Stale
#: data (exit code 4) is not: --require-fresh runs nothing on it, and another attempt looks again.
USAGE, CHECKS_FAILED, CELL_RAISED = 2, 3, 5


def run_report(name: str, parameters: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """Run a report; return the exit code (0, or 3 for failed checks) and its report.json.

    Its freshness is that of now: an earlier run that is the same may be named instead of a new one.
    """
    words = [*shlex.split(os.environ.get("WORKBENCH", "workbench")), "report", "run", name]
    for key, value in parameters.items():
        words += ["-p", f"{key}={value}"]
    words += ["--wait", "--require-fresh", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode not in (0, CHECKS_FAILED):
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise dg.Failure(
            f"exit code {done.returncode}: {said}",
            allow_retries=done.returncode not in (USAGE, CELL_RAISED),
        )
    [row] = json.loads(done.stdout)
    told = json.loads(Path(row["page"]).with_name("report.json").read_text())
    return done.returncode, told | {"freshness": row["freshness"]}


@dg.asset(
    name=f"report_{REPORT}",
    kinds={"duckdb", "jupyter"},
    retry_policy=dg.RetryPolicy(max_retries=3, delay=60, backoff=dg.Backoff.EXPONENTIAL),
    check_specs=[dg.AssetCheckSpec("numbers", asset=f"report_{REPORT}", blocking=True)],
)
def report() -> dg.MaterializeResult:
    """One run of the report; its figures as metadata, its checks as an asset check."""
    code, told = run_report(REPORT, PARAMETERS)
    failed = [check["name"] for check in told["checks"] if not check["passed"]]
    return dg.MaterializeResult(
        metadata={
            "run": told["run"],
            "as_of": told["as_of"],
            "freshness": told["freshness"],
            **{f["name"]: str(f["value"]) for f in told["figures"]},
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="numbers", passed=code == 0, metadata={"failed": ", ".join(failed)}
            )
        ],
    )


job = dg.define_asset_job("market_day_report", [report])
schedule = dg.ScheduleDefinition(
    job=job, cron_schedule="5 18 * * 1-5", execution_timezone="America/New_York"
)
defs = dg.Definitions(assets=[report], jobs=[job], schedules=[schedule])
