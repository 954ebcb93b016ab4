"""What a deployment's jobs share, as the plain values that go to the Flink process."""

from __future__ import annotations

from typing import Any

from workbench.config import AlertRule, JobSettings, Settings
from workbench.contracts import JOBS, Job, job_named
from workbench.errors import UsageError
from workbench.ingest.reference import ensure_symbols
from workbench.lake.catalog import flink_catalog_options
from workbench.stack import endpoints

#: What is known of a symbol's last order book is dropped after this time without another. It
#: counts for 5 minutes of event time; this goes by the wall clock, also while a job is down.
ORDER_BOOK_TTL_MS = 60 * 60 * 1000
#: Ids of trades are remembered this much longer than the horizon of duplicates: likewise.
DOWNTIME_MS = 60 * 60 * 1000
#: How long a transaction may stay open: of jobs on the embedded broker, which is asked for no
#: more than `workbench.config` allows, and on one that has Kafka's own limit.
EMBEDDED_TRANSACTION_S, KAFKA_TRANSACTION_S = 60 * 60, 15 * 60
#: Checkpoint intervals in a transaction timeout. A transaction lasts from one checkpoint to the
#: commits of the next, of which three in a row may fail; the fifth is for that to end.
INTERVALS = 5

# The Kafka client inside Flink's connector lives in a package of its own.
_SHADED = "org.apache.flink.kafka.shaded.org.apache.kafka.common.security"
_LOGIN = {
    "PLAIN": f"{_SHADED}.plain.PlainLoginModule",
    "SCRAM-SHA-256": f"{_SHADED}.scram.ScramLoginModule",
    "SCRAM-SHA-512": f"{_SHADED}.scram.ScramLoginModule",
}


# What librdkafka 2.16 and the Kafka client of the connector (4.x) both know, with the same values.
_BOTH = """
acks allow.auto.create.topics auto.commit.interval.ms auto.offset.reset batch.size
bootstrap.servers check.crcs client.dns.lookup client.id client.rack compression.type
connections.max.idle.ms delivery.timeout.ms enable.auto.commit enable.idempotence
enable.metrics.push fetch.max.bytes fetch.min.bytes group.id group.instance.id group.protocol
group.remote.assignor heartbeat.interval.ms isolation.level linger.ms
max.in.flight.requests.per.connection max.partition.fetch.bytes max.poll.interval.ms
metadata.max.age.ms metadata.recovery.rebootstrap.trigger.ms metadata.recovery.strategy
reconnect.backoff.max.ms reconnect.backoff.ms request.timeout.ms retries retry.backoff.max.ms
retry.backoff.ms sasl.jaas.config sasl.kerberos.min.time.before.relogin
sasl.kerberos.service.name sasl.mechanism security.protocol session.timeout.ms
socket.connection.setup.timeout.ms ssl.cipher.suites ssl.endpoint.identification.algorithm
ssl.key.password ssl.keystore.location ssl.keystore.password
"""
_SAME = frozenset(_BOTH.split())
_RENAMED = {
    "compression.codec": "compression.type",
    "fetch.message.max.bytes": "max.partition.fetch.bytes",
    "fetch.wait.max.ms": "fetch.max.wait.ms",
    "max.in.flight": "max.in.flight.requests.per.connection",
    "message.max.bytes": "max.request.size",
    "message.send.max.retries": "retries",
    "message.timeout.ms": "delivery.timeout.ms",
    "metadata.broker.list": "bootstrap.servers",
    "queue.buffering.max.ms": "linger.ms",
    "request.required.acks": "acks",
    "sasl.mechanisms": "sasl.mechanism",
    "socket.receive.buffer.bytes": "receive.buffer.bytes",
    "socket.send.buffer.bytes": "send.buffer.bytes",
    "socket.timeout.ms": "request.timeout.ms",
    "ssl.ca.location": "ssl.truststore.location",
    "ssl.ca.pem": "ssl.truststore.certificates",
    "ssl.certificate.pem": "ssl.keystore.certificate.chain",
    "ssl.key.pem": "ssl.keystore.key",
}
# Values whose name in Java is another one.
_VALUES = {
    ("ssl.endpoint.identification.algorithm", "none"): "",
    ("socket.receive.buffer.bytes", "0"): "-1",
    ("socket.send.buffer.bytes", "0"): "-1",
}
# The kind of file or text that librdkafka's property holds; Java takes another one for granted.
_STORES = {
    "ssl.ca.location": ("ssl.truststore.type", "PEM"),
    "ssl.ca.pem": ("ssl.truststore.type", "PEM"),
    "ssl.certificate.pem": ("ssl.keystore.type", "PEM"),
    "ssl.key.pem": ("ssl.keystore.type", "PEM"),
    "ssl.keystore.location": ("ssl.keystore.type", "PKCS12"),
}
_INSTEAD = {
    "enable.ssl.certificate.verification": "Java always verifies: name the CA in ssl.ca.location, "
    "which becomes Java's ssl.truststore.location",
    "partition.assignment.strategy": "leave it out: Flink assigns the partitions itself",
    "sasl.kerberos.keytab": "use Flink's own security.kerberos.login.keytab",
    "sasl.kerberos.principal": "use Flink's own security.kerberos.login.principal",
    "ssl.certificate.location": "give its text in ssl.certificate.pem, which becomes Java's "
    "ssl.keystore.certificate.chain",
    "ssl.key.location": "give its text in ssl.key.pem, which becomes Java's ssl.keystore.key",
    "transaction.timeout.ms": "set flink.transaction_timeout_s",
    "transactional.id": "leave it out: Flink sets it from flink.deployment",
}


def java_client_properties(settings: Settings) -> dict[str, str]:
    """Return the Java client's properties for the librdkafka ones of the settings.

    Raises
    ------
    UsageError
        For a property that has no counterpart in Java: a job without it would not do what the
        Python clients do, and Java itself ignores what it does not know.

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
    if given.get("ssl.ca.location") == "probe":
        # The CAs of the machine; Java takes its own where it is told nothing.
        del given["ssl.ca.location"]
    java: dict[str, str] = {}
    # Those with Java's own name last: they win over their other name in librdkafka.
    for key in sorted(given, key=lambda key: key in _SAME):
        if key not in _SAME and key not in _RENAMED:
            raise UsageError(
                f"kafka.properties: {key!r} is not known to the Java client of the jobs",
                hint=_INSTEAD.get(key, "leave it out: Java has no property for it"),
            )
        java[_RENAMED.get(key, key)] = _VALUES.get((key, given[key]), given[key])
        if key in _STORES:
            java.update([_STORES[key]])
    if user is not None:
        java["sasl.jaas.config"] = _login(
            java.setdefault("sasl.mechanism", "PLAIN"), user, password
        )
    return java


def _login(mechanism: str, user: str, password: str) -> str:
    if mechanism not in _LOGIN:
        raise UsageError(
            f"kafka.properties: sasl.username is not for sasl.mechanism {mechanism!r}",
            hint=f"the jobs log in with {', '.join(_LOGIN)}",
        )
    return f"{_LOGIN[mechanism]} required username={_jaas(user)} password={_jaas(password)};"


def _jaas(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def alert_rules(settings: Settings) -> str:
    """Return the rules of alerts as the function ``price_move`` takes them.

    Examples
    --------
    >>> from workbench.config import Settings
    >>> alert_rules(Settings(alerts={"symbols": {"AAPL": {"threshold_percent": "1.5"}}}))
    '|2|300000|60000;AAPL|1.5|300000|60000'
    """
    common = settings.alerts

    def line(symbol: str, own: AlertRule) -> str:
        given = common.model_dump() | own.model_dump(exclude_none=True)
        times = f"{1000 * given['window_s']}|{1000 * given['cooldown_s']}"
        return f"{symbol}|{given['threshold_percent']:f}|{times}"

    rules = {"": AlertRule(), **common.symbols}
    return ";".join(line(symbol, own) for symbol, own in rules.items())


def _state_ttl_ms(settings: Settings, job: Job) -> int:
    """How long a job keeps what it knows of a key that nothing comes for; 0 for ever."""
    if job.keeps is not None:
        return {"price": 1000 * settings.alerts.state_ttl_s, "book": ORDER_BOOK_TTL_MS}[job.keeps]
    horizon = 1000 * settings.flink.deduplicate_s
    return horizon + DOWNTIME_MS if horizon else 0


def job_settings(settings: Settings, job: str) -> JobSettings:
    """Return how a job runs: its own settings, and those of all jobs where it has none.

    Raises
    ------
    UsageError
        Where the settings name a job that does not exist.
    """
    for name in settings.flink.jobs:
        job_named(name)
    own = settings.flink.jobs.get(job, JobSettings())
    common = {name: getattr(settings.flink, name) for name in JobSettings.model_fields}
    return JobSettings(**{**common, **own.model_dump(exclude_none=True)})


def transaction_timeout_s(settings: Settings) -> int:
    """Return how long a transaction of an exactly-once sink may stay open, in s.

    Examples
    --------
    >>> from workbench.config import Settings
    >>> transaction_timeout_s(Settings())
    3600
    >>> transaction_timeout_s(Settings(kafka={"bootstrap_servers": "broker:9092"}))
    900
    """
    if settings.flink.transaction_timeout_s is not None:
        return settings.flink.transaction_timeout_s
    embedded = settings.kafka.bootstrap_servers is None
    return EMBEDDED_TRANSACTION_S if embedded else KAFKA_TRANSACTION_S


def _check_delivery(settings: Settings, job: Job, own: JobSettings) -> None:
    """Refuse repeats in a topic whose readers could not tell them."""
    if not job.exactly_once or own.delivery == "exactly-once":
        return
    mine = settings.flink.jobs.get(job.name, JobSettings()).delivery is not None
    name = f"flink.jobs.{job.name}.delivery" if mine else "flink.delivery"
    raise UsageError(
        f"setting {name}: at-least-once is not for {job.name}: its windows may have other messages "
        "when they are read again, and a reader would count both",
        hint=f'set flink.jobs.{job.name}.delivery to "exactly-once"',
    )


def _check_interval(settings: Settings, job: str, own: JobSettings) -> None:
    """Refuse checkpoints so far apart that the broker may abort what is between them."""
    interval, timeout = own.checkpoint_interval_ms or 0, transaction_timeout_s(settings)
    longest = 1000 * timeout // INTERVALS
    if own.delivery != "exactly-once" or interval <= longest:
        return
    mine = settings.flink.jobs.get(job, JobSettings()).checkpoint_interval_ms is not None
    name = f"flink.jobs.{job}.checkpoint_interval_ms" if mine else "flink.checkpoint_interval_ms"
    raise UsageError(
        f"setting {name}: {interval} is too long for the exactly-once job {job}, whose "
        f"transactions are aborted after {timeout} s",
        hint=f"at most {longest}; or at least {-(-interval * INTERVALS // 1000)} for "
        "flink.transaction_timeout_s, or at-least-once delivery",
    )


def deployment(settings: Settings, job: str, *, kafka: bool = True) -> dict[str, Any]:
    """Return the values of ``flink_jobs.ddl.Deployment`` for a job.

    Parameters
    ----------
    settings
        The settings in force.
    job
        The job.
    kafka
        Whether the jobs need a broker; batch runs do not.

    Raises
    ------
    UsageError
        Where the settings ask for what would lose messages, or repeat them unnoticed.
    """
    own, properties = job_settings(settings, job), {}
    if kafka:
        _check_delivery(settings, job_named(job), own)
        _check_interval(settings, job, own)
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
        "alert_rules": alert_rules(settings),
        **own.model_dump(),
        "transaction_timeout_ms": 1000 * transaction_timeout_s(settings),
        "idle_timeout_ms": settings.flink.idle_timeout_ms,
        "state_ttl_ms": _state_ttl_ms(settings, job_named(job)),
        "deduplicate_ms": 0 if job_named(job).keeps else 1000 * settings.flink.deduplicate_s,
    }


def job_names(settings: Settings) -> dict[str, str]:
    """Return the name in Flink of each job of this deployment."""
    prefix = f"{settings.kafka.topic_prefix}{settings.flink.deployment}"
    return {job.name: f"{prefix}-{job.name}" for job in JOBS}
