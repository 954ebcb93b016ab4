"""Submit a job whose second task is far slower than its first, with the settings of the jobs.

A request as JSON on standard input: ``deployment`` and ``rest_url``; the job's id on standard
output. It runs as a process of its own, the only place of the tests that imports PyFlink.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

#: A row of some 60 bytes takes several ms: what lies in the network's buffers takes minutes.
ROWS = """CREATE TEMPORARY TABLE numbers (n BIGINT) WITH (
  'connector' = 'datagen', 'rows-per-second' = '100000',
  'fields.n.kind' = 'random', 'fields.n.min' = '0', 'fields.n.max' = '9999')"""
NOWHERE = "CREATE TEMPORARY TABLE nowhere (n BIGINT, words BIGINT) WITH ('connector' = 'blackhole')"
SLOW = """INSERT INTO nowhere
SELECT n, CHAR_LENGTH(REGEXP_REPLACE(REPEAT(CAST(times AS STRING) || 'ab', 20000), '(a|b)+', 'c'))
FROM (SELECT n, COUNT(*) AS times FROM numbers GROUP BY n)"""


def main() -> None:
    from flink_jobs.ddl import Deployment
    from flink_jobs.environment import streaming_environment

    request: dict[str, Any] = json.load(sys.stdin)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    deployment = Deployment(**request["deployment"])
    environment = streaming_environment(deployment, request["rest_url"], "slow")
    environment.execute_sql(ROWS)
    environment.execute_sql(NOWHERE)
    answers.write(str(environment.execute_sql(SLOW).get_job_client().get_job_id()) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
