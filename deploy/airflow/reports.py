"""The report market_day as an Airflow DAG: on time, tried again where that may help.

Airflow has an environment of its own and calls the workbench in its one: the variable WORKBENCH
is the command (``/srv/workbench/.venv/bin/workbench``), WORKBENCH_PROJECT the project folder.
"""

import json
import os
import shlex
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pendulum
from airflow.sdk import CronTriggerTimetable, dag, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException

REPORT = "market_day"
PARAMETERS = {"top": "10"}
#: A cell that raised, failed checks and things that cannot be are the same at every attempt. Stale
#: data (exit code 4) is not: --require-fresh runs nothing on it, and another attempt looks again.
USAGE, CHECKS_FAILED, CELL_RAISED = 2, 3, 5


@dag(
    dag_id="market_day_report",
    schedule=CronTriggerTimetable("5 18 * * 1-5", timezone="America/New_York"),
    start_date=pendulum.datetime(2026, 1, 1, tz="America/New_York"),
    catchup=False,
    max_active_runs=1,
)
def market_day_report() -> None:
    """Run the report; what it found is handed on as the task's result."""

    @task(retries=3, retry_delay=timedelta(minutes=1), retry_exponential_backoff=True)
    def report() -> dict[str, Any]:
        words = [*shlex.split(os.environ.get("WORKBENCH", "workbench")), "report", "run", REPORT]
        for key, value in PARAMETERS.items():
            words += ["-p", f"{key}={value}"]
        words += ["--wait", "--require-fresh", "--json"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            final = done.returncode in (USAGE, CHECKS_FAILED, CELL_RAISED)
            kind = AirflowFailException if final else AirflowException
            raise kind(f"exit code {done.returncode}: {said}")
        [row] = json.loads(done.stdout)
        told = json.loads(Path(row["page"]).with_name("report.json").read_text())
        figures = {figure["name"]: figure["value"] for figure in told["figures"]}
        return {
            "run": told["run"],
            "page": row["page"],
            # Of now: an earlier run that is the same may be named instead of a new one.
            "freshness": row["freshness"],
            "figures": figures,
        }

    report()


the_dag = market_day_report()
