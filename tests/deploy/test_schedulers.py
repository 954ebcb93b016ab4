"""The files under deploy/ for Dagster and Airflow, executed by Dagster and Airflow themselves.

Each has an environment of its own, made once from a lock: hence long. `make schedulers` runs them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.environments import environment_of
from tests.unit.report_notebook import DIES_ONCE, FAILS, PASSES, traded, write_report
from workbench.config import Settings
from workbench.reports.runs import list_runs

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
Ask = Callable[[], dict[str, Any]]


def ask(name: str, settings: Settings, folder: Path) -> dict[str, Any]:
    """Let a scheduler run its file on this project; returns what it says."""
    deploy = ROOT / "deploy" / name
    python = environment_of(deploy / "requirements.lock", ROOT / "build" / "deploy" / name, print)
    answer = folder / "answer.json"
    environment = {
        **{key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        "WORKBENCH": f"/usr/bin/env PYTHONPATH={ROOT} {sys.executable} -m workbench",
        "WORKBENCH_PROJECT": str(settings.project),
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(deploy),
        "DO_NOT_TRACK": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [python, HERE / f"{name}_run.py", deploy / "reports.py", answer],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    told: dict[str, Any] = json.loads(answer.read_text())
    return told


#: The trade of the tests is of 2024: it shall be fresh for a hundred years.
CENTURY = "[reports]\ndegraded_after_s = 3153600000\nstale_after_s = 3153600000\n"


@pytest.fixture
def project(tmp_path: Path) -> Settings:
    folder = tmp_path / "project"
    folder.mkdir()
    settings = traded(folder)
    (folder / "workbench.toml").write_text(CENTURY)
    return settings


@pytest.fixture(params=["dagster", "airflow"])
def scheduler(request: pytest.FixtureRequest, project: Settings, tmp_path: Path) -> Ask:
    return lambda: ask(request.param, project, tmp_path)


def test_a_run_that_passes(scheduler, project):
    write_report(project, PASSES)
    told = scheduler()
    assert (told["success"], told["attempts"]) == (True, 1)
    assert told["zone"] == "America/New_York"
    [run] = list_runs(project)
    assert told["run"] == run.id and str(told["figures"]["volume"]) == "4"
    assert told["freshness"] == "fresh"


def test_stale_data_is_looked_at_again_and_nothing_is_run_on_it(scheduler, project):
    write_report(project, PASSES)
    (project.project / "workbench.toml").write_text("")
    told = scheduler()
    assert (told["success"], told["attempts"]) == (False, 4)
    assert list_runs(project) == []


def test_a_dead_kernel_is_tried_again(scheduler, project):
    write_report(project, DIES_ONCE, PASSES)
    told = scheduler()
    assert (told["success"], told["attempts"]) == (True, 2)
    assert told["run"] == list_runs(project)[0].id


def test_a_failed_check_fails_the_run_at_once(scheduler, project):
    write_report(project, FAILS)
    told = scheduler()
    assert (told["success"], told["attempts"]) == (False, 1)
    [run] = list_runs(project)
    assert run.summary["verdict"] == "failed"
