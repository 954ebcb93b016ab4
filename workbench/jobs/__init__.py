"""Submit, watch and stop Flink jobs, without importing PyFlink."""

from workbench.jobs.batch import run_batch
from workbench.jobs.cluster import Cluster, JobState
from workbench.jobs.control import stop, submit

__all__ = ["Cluster", "JobState", "run_batch", "stop", "submit"]
