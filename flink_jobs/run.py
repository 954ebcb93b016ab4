"""Run a job: register what it stands on, then hand all its inserts over as one Flink job.

A streaming job always runs from a compiled plan, in which every operator with state has an id
that stays (see `flink_jobs.plans`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pyflink.table import PlanReference, StatementSet, TableEnvironment
from pyflink.table.compiled_plan import CompiledPlan

from flink_jobs import ddl
from flink_jobs.environment import batch_environment, streaming_environment
from flink_jobs.plans import checked, numbered, registry, with_accumulators, with_idle_timeout
from flink_jobs.statements import Statements, statements
from workbench.contracts import Job

_VIEW = re.compile(r"CREATE TEMPORARY VIEW (\w+) AS\s+(.*)", re.DOTALL)


def _register(environment: TableEnvironment, mode: ddl.Mode, parts: Statements) -> None:
    """Make the catalog, the functions, the sources and the sinks known."""
    deployment = mode.deployment
    options = ", ".join(
        f"{ddl.quoted(key)} = {ddl.quoted(value)}"
        for key, value in deployment.catalog_options.items()
    )
    environment.execute_sql(f"CREATE CATALOG `{deployment.catalog}` WITH ({options})")
    for name, class_name in ddl.FUNCTIONS.items():
        environment.create_java_temporary_system_function(name, class_name)
    for table in parts.tables:
        environment.execute_sql(table)


def _inserts(environment: TableEnvironment, parts: Statements) -> StatementSet:
    for statement in parts.views:
        view = _VIEW.fullmatch(statement)
        assert view is not None, f"not a view: {statement[:60]}"
        # A view that is registered as a table is planned once and shared by all who read it.
        # Planned from its text, each reader would get a copy of its own, with a parse of its own.
        environment.create_temporary_view(view.group(1), environment.sql_query(view.group(2)))
    inserts = environment.create_statement_set()
    for statement in parts.inserts:
        inserts.add_insert_sql(statement)
    return inserts


@dataclass(frozen=True)
class Going:
    """What a job goes on from; all None starts it without state."""

    #: URI of a savepoint or checkpoint.
    restore_from: str | None = None
    #: The compiled plan that made it, as JSON.
    previous: str | None = None
    #: Let operators that cannot go on start empty.
    drop_state: bool = False
    #: Run this compiled plan, instead of one from the job's SQL.
    plan: str | None = None
    #: The id the job gets; one of Flink's choice when None.
    job_id: str | None = None


def _compiled(environment: TableEnvironment, parts: Statements, job: Job, going: Going) -> str:
    plan = json.loads(_inserts(environment, parts).compile_plan().as_json_string())
    previous = json.loads(going.previous) if going.previous else None
    plan = with_accumulators(numbered(plan, registry(job.name)))
    plan = checked(plan, previous, drop_state=going.drop_state)
    return json.dumps(plan)


def compiled(deployment: ddl.Deployment, job: Job, going: Going) -> str:
    """Return the compiled plan of a job's stream, as JSON; nothing runs.

    Raises
    ------
    IncompatibleState
        Where it cannot go on from the state of the plan before.
    """
    environment = streaming_environment(deployment, "http://127.0.0.1:8081", job.name)
    parts = statements(ddl.Stream(deployment), job)
    _register(environment, ddl.Stream(deployment), parts)
    return _compiled(environment, parts, job, going)


def submit(
    deployment: ddl.Deployment,
    job: Job,
    rest_url: str,
    going: Going,
    about_to_start: Callable[[str], None],
) -> str:
    """Start a job on the cluster at `rest_url`; return Flink's job id.

    Parameters
    ----------
    deployment, job
        The job and what it is run with.
    rest_url
        Address of the JobManager's REST endpoint.
    going
        What it goes on from.
    about_to_start
        Told the compiled plan before the cluster hears of the job.

    Raises
    ------
    IncompatibleState
        Where it cannot go on from the state of the plan before.
    """
    name = ddl.job_name(deployment, job)
    mode = ddl.Stream(deployment)
    environment = streaming_environment(
        deployment,
        rest_url,
        name,
        going.restore_from,
        drop_state=going.drop_state,
        job_id=going.job_id,
    )
    parts = statements(mode, job)
    _register(environment, mode, parts)
    if going.plan is None:
        plan = _compiled(environment, parts, job, going)
    else:
        plan = json.dumps(with_idle_timeout(json.loads(going.plan), deployment.source_idle_ms))
    loaded = environment.load_plan(PlanReference.from_json_string(plan))
    about_to_start(plan)
    # PyFlink 2.1 hands a loaded plan the environment behind the environment, on which it fails.
    result = CompiledPlan(loaded._j_compiled_plan, environment).execute()
    return str(result.get_job_client().get_job_id())


def run_batch(deployment: ddl.Deployment, job: Job, staged: Path, output: Path, work: Path) -> None:
    """Run a job over staged records to its end: tables in the lake, topics under `output`."""
    environment = batch_environment(deployment, ddl.job_name(deployment, job), work)
    mode = ddl.Batch(deployment, staged, output)
    parts = statements(mode, job)
    _register(environment, mode, parts)
    _inserts(environment, parts).execute().wait()


def explain(deployment: ddl.Deployment, job: Job) -> str:
    """Return the plan of a job's stream, as Flink would run it, for people."""
    mode = ddl.Stream(deployment)
    environment = streaming_environment(deployment, "http://127.0.0.1:8081", job.name)
    parts = statements(mode, job)
    _register(environment, mode, parts)
    return str(_inserts(environment, parts).explain())
