"""Programs for the environments of other schedulers are no modules of this one."""

collect_ignore = ["airflow_run.py", "dagster_run.py"]
