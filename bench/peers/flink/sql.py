"""Submit SQL to the benchmark's cluster: the only program here that imports PyFlink.

A request as JSON on standard input: `configuration`, `definitions`, `inserts`, and in `own` a job
of the workbench, with its deployment, whose functions, source and views go before the definitions;
the job's id on standard output. It runs in the workbench's environment, as a process of its own.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from pyflink.common import Configuration
from pyflink.table import EnvironmentSettings, TableEnvironment

from flink_jobs import ddl
from flink_jobs.statements import statements
from workbench.contracts.jobs import job_named


def own_definitions(job: str, deployment: dict[str, Any]) -> list[str]:
    """Return functions, source and views of a job; a view that no insert reads costs nothing."""
    parts = statements(ddl.Stream(ddl.Deployment(**deployment)), job_named(job))
    functions = [
        f"CREATE TEMPORARY SYSTEM FUNCTION {name} AS '{implemented}' LANGUAGE JAVA"
        for name, implemented in ddl.FUNCTIONS.items()
    ]
    return [*functions, parts.tables[0], *parts.views]


def main() -> None:
    request = json.load(sys.stdin)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    configuration = Configuration()
    for key, value in request["configuration"].items():
        configuration.set_string(key, value)
    environment = TableEnvironment.create(
        EnvironmentSettings.new_instance()
        .in_streaming_mode()
        .with_configuration(configuration)
        .build()
    )
    own = own_definitions(**request["own"]) if request["own"] else []
    for statement in own + request["definitions"]:
        environment.execute_sql(statement)
    inserts = environment.create_statement_set()
    for statement in request["inserts"]:
        inserts.add_insert_sql(statement)
    answers.write(str(inserts.execute().get_job_client().get_job_id()) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
