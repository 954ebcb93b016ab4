"""What a deployment's jobs share, as the plain values that go to the Flink process."""

from __future__ import annotations

from typing import Any

from workbench.config import Settings
from workbench.contracts import JOBS
from workbench.ingest.reference import ensure_symbols
from workbench.lake.catalog import flink_catalog_options
from workbench.stack import endpoints

# The Kafka client inside Flink's connector lives in a package of its own.
_SHADED = "org.apache.flink.kafka.shaded.org.apache.kafka.common.security"
_LOGIN = {
    "PLAIN": f"{_SHADED}.plain.PlainLoginModule",
    "SCRAM-SHA-256": f"{_SHADED}.scram.ScramLoginModule",
    "SCRAM-SHA-512": f"{_SHADED}.scram.ScramLoginModule",
}


def java_client_properties(settings: Settings) -> dict[str, str]:
    """Return the Java client's properties for the librdkafka ones of the settings.

    Examples
    --------
    >>> from workbench.config import Settings
    >>> s = Settings(kafka={"properties": {"ssl.ca.location": "ca.pem"}})
    >>> java_client_properties(s)["ssl.truststore.type"]
    'PEM'
    """
    given = dict(settings.kafka.properties)
    user = given.pop("sasl.username", None)
    password = given.pop("sasl.password", "")
    if settings.kafka.password is not None:
        password = settings.kafka.password.get_secret_value()
    if "ssl.ca.location" in given:
        given["ssl.truststore.type"] = "PEM"
        given["ssl.truststore.location"] = given.pop("ssl.ca.location")
    if user is not None:
        mechanism = given.get("sasl.mechanism", given.get("sasl.mechanisms", "PLAIN"))
        login = _LOGIN.get(mechanism, _LOGIN["PLAIN"])
        given["sasl.jaas.config"] = (
            f"{login} required username={_jaas(user)} password={_jaas(password)};"
        )
    return given


def _jaas(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def deployment(settings: Settings, *, kafka: bool = True) -> dict[str, Any]:
    """Return the values of ``flink_jobs.ddl.Deployment`` for these settings.

    Parameters
    ----------
    settings
        The settings in force.
    kafka
        Whether the jobs need a broker; batch runs do not.
    """
    properties = {}
    if kafka:
        properties = {
            "bootstrap.servers": endpoints(settings, flink=False).bootstrap_servers,
            **java_client_properties(settings),
        }
    return {
        "name": settings.flink.deployment,
        "topic_prefix": settings.kafka.topic_prefix,
        "kafka": properties,
        "catalog": settings.lake.catalog,
        "catalog_options": flink_catalog_options(settings),
        "symbols_uri": ensure_symbols(settings).resolve().as_uri(),
        "delivery": settings.flink.delivery,
        "parallelism": settings.flink.parallelism,
        "checkpoint_interval_ms": settings.flink.checkpoint_interval_ms,
        "idle_timeout_ms": settings.flink.idle_timeout_ms,
    }


def job_names(settings: Settings) -> dict[str, str]:
    """Return the name in Flink of each job of this deployment."""
    prefix = f"{settings.kafka.topic_prefix}{settings.flink.deployment}"
    return {job.name: f"{prefix}-{job.name}" for job in JOBS}
