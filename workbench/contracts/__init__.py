"""The one place that names every topic, record, table and job.

Flink DDL, topic and table creation, validation, the Avro schemas and the docs are derived
from these values. No list of fields is written a second time anywhere.
"""

from __future__ import annotations

from workbench.contracts.jobs import JOBS, Job, job_named
from workbench.contracts.records import RECORDS, Record, record_named
from workbench.contracts.tables import TABLES, Table, table_named
from workbench.contracts.topics import TOPICS, Topic, topic_named
from workbench.contracts.types import Field, Type

__all__ = [
    "JOBS",
    "RECORDS",
    "TABLES",
    "TOPICS",
    "Field",
    "Job",
    "Record",
    "Table",
    "Topic",
    "Type",
    "job_named",
    "record_named",
    "table_named",
    "topic_named",
]
