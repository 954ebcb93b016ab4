"""Run a job: register what it stands on, then hand all its inserts over as one Flink job."""

from __future__ import annotations

import re
from pathlib import Path

from pyflink.table import StatementSet, TableEnvironment

from flink_jobs import ddl
from flink_jobs.environment import batch_environment, streaming_environment
from flink_jobs.statements import statements
from workbench.contracts import Job

_VIEW = re.compile(r"CREATE TEMPORARY VIEW (\w+) AS\s+(.*)", re.DOTALL)


def _define(environment: TableEnvironment, statement: str) -> None:
    view = _VIEW.fullmatch(statement)
    if view is None:
        environment.execute_sql(statement)
        return
    # A view that is registered as a table is planned once and shared by all who read it. Planned
    # from its text, each reader would get a copy of its own, with a parse of its own.
    environment.create_temporary_view(view.group(1), environment.sql_query(view.group(2)))


def prepare(environment: TableEnvironment, mode: ddl.Mode, job: Job) -> StatementSet:
    """Return the job's statement set over `mode`, ready to execute, explain or compile."""
    deployment = mode.deployment
    options = ", ".join(
        f"{ddl.quoted(key)} = {ddl.quoted(value)}"
        for key, value in deployment.catalog_options.items()
    )
    environment.execute_sql(f"CREATE CATALOG `{deployment.catalog}` WITH ({options})")
    for name, class_name in ddl.FUNCTIONS.items():
        environment.create_java_temporary_system_function(name, class_name)
    parts = statements(mode, job)
    for statement in parts.definitions:
        _define(environment, statement)
    inserts = environment.create_statement_set()
    for statement in parts.inserts:
        inserts.add_insert_sql(statement)
    return inserts


def submit(
    deployment: ddl.Deployment, job: Job, rest_url: str, restore_from: str | None = None
) -> str:
    """Start a job on the cluster at `rest_url`; return its Flink job id."""
    name = ddl.job_name(deployment, job)
    environment = streaming_environment(deployment, rest_url, name, restore_from)
    result = prepare(environment, ddl.Stream(deployment), job).execute()
    return str(result.get_job_client().get_job_id())


def run_batch(deployment: ddl.Deployment, job: Job, staged: Path, output: Path, work: Path) -> None:
    """Run a job over staged records to its end: tables in the lake, topics under `output`."""
    environment = batch_environment(deployment, ddl.job_name(deployment, job), work)
    prepare(environment, ddl.Batch(deployment, staged, output), job).execute().wait()


def explain(deployment: ddl.Deployment, job: Job) -> str:
    """Return the plan of a job's stream, as Flink would run it."""
    environment = streaming_environment(deployment, "http://127.0.0.1:8081", job.name)
    return str(prepare(environment, ddl.Stream(deployment), job).explain())
