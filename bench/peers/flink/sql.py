"""Submit SQL to the benchmark's cluster: the only program here that imports PyFlink.

A request as JSON on standard input: `configuration`, `definitions`, `inserts`; the job's id on
standard output. It runs in the environment of the workbench, as a process of its own.
"""

from __future__ import annotations

import json
import os
import sys

from pyflink.common import Configuration
from pyflink.table import EnvironmentSettings, TableEnvironment


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
    for statement in request["definitions"]:
        environment.execute_sql(statement)
    inserts = environment.create_statement_set()
    for statement in request["inserts"]:
        inserts.add_insert_sql(statement)
    answers.write(str(inserts.execute().get_job_client().get_job_id()) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
