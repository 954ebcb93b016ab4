"""Submit, watch and stop Flink jobs, without importing PyFlink."""

from typing import TYPE_CHECKING, Any

from workbench.jobs.cluster import Cluster, JobState
from workbench.jobs.starting import restore, submit
from workbench.jobs.stopping import cancel, stop

if TYPE_CHECKING:
    from workbench.jobs.batch import run_batch

__all__ = ["Cluster", "JobState", "cancel", "restore", "run_batch", "stop", "submit"]


def __getattr__(name: str) -> Any:
    # A batch run needs DuckDB and Arrow; who only asks how the jobs are does not.
    if name == "run_batch":
        from workbench.jobs.batch import run_batch

        return run_batch
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
