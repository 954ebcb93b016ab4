"""The table environment a job runs in: a session cluster, or this process for batch runs."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlparse

from pyflink.common import Configuration
from pyflink.table import EnvironmentSettings, TableEnvironment

from flink_jobs.ddl import Deployment


def _common(deployment: Deployment, name: str) -> dict[str, str]:
    return {
        "pipeline.name": name,
        "table.local-time-zone": "UTC",
        "parallelism.default": str(deployment.parallelism),
        "pipeline.object-reuse": "true",
        # Records the Flink job and checkpoint in every snapshot.
        "table.exec.iceberg.use-v2-sink": "true",
        # What several sinks of a job have in common is computed once: without it the windows
        # would be computed for Kafka and once more for Iceberg.
        "table.optimizer.reuse-optimize-block-with-digest-enabled": "true",
        # A compiled plan names tables and leaves their options to where it runs.
        "table.plan.compile.catalog-objects": "identifier",
        "table.plan.restore.catalog-objects": "identifier",
    }


def _streaming(deployment: Deployment) -> dict[str, str]:
    interval = deployment.checkpoint_interval_ms
    values = {
        # The cluster's own checkpoint settings do not reach jobs that are submitted from Python.
        "execution.checkpointing.interval": f"{interval} ms",
        "execution.checkpointing.mode": "EXACTLY_ONCE",
        "execution.checkpointing.min-pause": f"{min(interval // 3, 10_000)} ms",
        "execution.checkpointing.timeout": "2 min",
        "execution.checkpointing.tolerable-failed-checkpoints": "3",
        "execution.checkpointing.max-concurrent-checkpoints": "1",
        "execution.checkpointing.unaligned.enabled": "true",
        "execution.checkpointing.aligned-checkpoint-timeout": "10 s",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "restart-strategy.type": "exponential-delay",
        # What dies suddenly starts again at once; what fails again and again waits for longer.
        "restart-strategy.exponential-delay.initial-backoff": "200 ms",
        "restart-strategy.exponential-delay.max-backoff": "30 s",
        "restart-strategy.exponential-delay.backoff-multiplier": "2.0",
        "table.exec.source.idle-timeout": f"{deployment.source_idle_ms} ms",
        "execution.buffer-timeout.interval": f"{deployment.waits.buffer} ms",
        "state.backend.type": deployment.state_backend,
        "execution.checkpointing.incremental": str(deployment.state_backend == "rocksdb").lower(),
    }
    if deployment.state_ttl_ms:
        values["table.exec.state.ttl"] = f"{deployment.state_ttl_ms} ms"
    return values


def streaming_environment(
    deployment: Deployment,
    rest_url: str,
    name: str,
    restore_from: str | None = None,
    *,
    drop_state: bool = False,
    job_id: str | None = None,
) -> TableEnvironment:
    """Return an environment whose statements run as the job `name` on the cluster at `rest_url`.

    Parameters
    ----------
    deployment
        Parallelism, checkpoint interval, idle timeout.
    rest_url
        Address of the JobManager's REST endpoint.
    name
        Name of the job in Flink.
    restore_from
        URI of the savepoint or checkpoint to start from.
    drop_state
        Whether state that no operator claims is left behind, instead of an error.
    job_id
        The id that the job gets; one of Flink's choice when None.
    """
    address = urlparse(rest_url)
    values = {
        **_common(deployment, name),
        **_streaming(deployment),
        "execution.runtime-mode": "STREAMING",
        "execution.target": "remote",
        "execution.attached": "false",
        "rest.address": address.hostname or "127.0.0.1",
        "rest.port": str(address.port or 8081),
    }
    if job_id:
        # Not in Flink's reference, but how it gives an application's job its id.
        values["$internal.pipeline.job-id"] = job_id
    if restore_from:
        values["execution.state-recovery.path"] = restore_from
        values["execution.state-recovery.ignore-unclaimed-state"] = str(drop_state).lower()
    return _create(values, streaming=True)


def batch_environment(deployment: Deployment, name: str, work: Path) -> TableEnvironment:
    """Return an environment that runs bounded statements in this process and waits for them."""
    values = {
        **_common(deployment, name),
        "execution.runtime-mode": "BATCH",
        "execution.target": "local",
        "rest.bind-address": "127.0.0.1",
        "rest.bind-port": "0",
        "io.tmp.dirs": str(work),
        "taskmanager.numberOfTaskSlots": str(4 * deployment.parallelism),
    }
    return _create(values, streaming=False)


def _create(values: dict[str, str], *, streaming: bool) -> TableEnvironment:
    configuration = Configuration()
    for key, value in values.items():
        configuration.set_string(key, value)
    builder = EnvironmentSettings.new_instance()
    builder = builder.in_streaming_mode() if streaming else builder.in_batch_mode()
    return TableEnvironment.create(builder.with_configuration(configuration).build())
