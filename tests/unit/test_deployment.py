"""The properties of the Python clients become those of the Java client, none is lost."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from flink_jobs import ddl
from workbench.config import load_settings
from workbench.contracts import job_named
from workbench.errors import UsageError
from workbench.jobs import deployment
from workbench.jobs.deployment import java_client_properties
from workbench.stack.files import Layout
from workbench.stack.kafka import _properties as kafka_properties


def java(folder: Path, password: str | None = None, **properties: str) -> dict[str, str]:
    given = {key.replace("_", "."): value for key, value in properties.items()}
    kafka = {"properties": given, "password": password}
    return java_client_properties(load_settings(folder, kafka=kafka))


@pytest.mark.parametrize("name", ["sasl_mechanism", "sasl_mechanisms"])
def test_a_login_by_scram_under_both_names(tmp_path: Path, name: str) -> None:
    told = java(tmp_path, 'p"w', sasl_username="me", **{name: "SCRAM-SHA-512"})
    assert told.keys() == {"sasl.mechanism", "sasl.jaas.config"}
    assert told["sasl.mechanism"] == "SCRAM-SHA-512"
    assert "scram.ScramLoginModule required" in told["sasl.jaas.config"]
    assert told["sasl.jaas.config"].endswith('username="me" password="p\\"w";')


def test_the_name_of_java_wins(tmp_path: Path) -> None:
    for names in (("sasl_mechanism", "sasl_mechanisms"), ("sasl_mechanisms", "sasl_mechanism")):
        values = {name: name.replace("_", ".") for name in names}
        assert java(tmp_path, **values) == {"sasl.mechanism": "sasl.mechanism"}


def test_a_login_java_has_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"OAUTHBEARER.*PLAIN, SCRAM-SHA-256"):
        java(tmp_path, sasl_username="me", sasl_mechanism="OAUTHBEARER")


def test_what_both_know_goes_through_as_it_is(tmp_path: Path) -> None:
    both = {"security_protocol": "SASL_SSL", "client_id": "desk", "linger_ms": "5"}
    assert java(tmp_path, **both) == {
        "security.protocol": "SASL_SSL",
        "client.id": "desk",
        "linger.ms": "5",
    }


def test_certificates_as_text_and_as_files(tmp_path: Path) -> None:
    assert java(tmp_path, ssl_ca_pem="CA", ssl_certificate_pem="C", ssl_key_pem="K") == {
        "ssl.truststore.type": "PEM",
        "ssl.truststore.certificates": "CA",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.certificate.chain": "C",
        "ssl.keystore.key": "K",
    }
    assert java(tmp_path, ssl_ca_location="/ca.pem", ssl_keystore_location="/k.p12") == {
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": "/ca.pem",
        "ssl.keystore.type": "PKCS12",
        "ssl.keystore.location": "/k.p12",
    }
    assert java(tmp_path, ssl_ca_location="probe") == {}
    assert java(tmp_path, ssl_endpoint_identification_algorithm="none") == {
        "ssl.endpoint.identification.algorithm": ""
    }


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("ssl.key.location", "ssl.keystore.key"),
        ("transaction.timeout.ms", "flink.transaction_timeout_s"),
        ("enable.ssl.certificate.verification", "ssl.truststore.location"),
        ("broker.address.family", "Java has no property for it"),
        ("sasl.mechanims", "leave it out"),
    ],
)
def test_what_java_does_not_know_is_not_lost(tmp_path: Path, key: str, said: str) -> None:
    with pytest.raises(UsageError, match=f"{key}.*{said}") as error:
        java(tmp_path, **{key: "s3cret"})
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize("key", sorted({*deployment._RENAMED, *deployment._INSTEAD}))
def test_the_names_said_to_be_of_librdkafka_are(key: str) -> None:
    """It refuses a value, at most: a name it does not know would never get this far."""
    try:
        AdminClient({key: "0"})
    except Exception as error:
        assert "No such configuration property" not in str(error)


def options(folder: Path, job: str, kafka: object = None, **flink: object) -> str:
    """The DDL of all that a job reads and writes in Kafka."""
    settings = load_settings(folder, kafka=kafka or {}, flink=flink)
    given = deployment.deployment(settings, job, kafka=False)
    mode = ddl.Stream(ddl.Deployment(**given))
    contract = job_named(job)
    sources = [ddl.source(mode, contract, topic) for topic in contract.sources]
    return "\n".join([*sources, *ddl.sinks(mode, contract)])


@pytest.mark.parametrize(
    ("delivery", "low_ms", "other_ms"), [("at-least-once", 1, 5), ("exactly-once", 5, 100)]
)
def test_one_job_sends_at_once_and_the_others_fill_batches(
    tmp_path: Path, delivery: str, low_ms: int, other_ms: int
) -> None:
    common = {"delivery": delivery, "jobs": {"router": {"latency": "low"}}}
    low, other = (options(tmp_path, job, **common) for job in ("router", "enrichment"))
    assert f"'properties.linger.ms' = '{low_ms}'" in low
    assert "'properties.fetch.max.wait.ms' = '5'" in low
    assert f"'properties.linger.ms' = '{other_ms}'" in other
    assert "'properties.fetch.max.wait.ms' = '50'" in other
    assert options(tmp_path, "enrichment", delivery=delivery) == other


def test_a_latency_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"flink\.jobs\.router\.latency.*'balanced' or 'low'"):
        options(tmp_path, "router", jobs={"router": {"latency": "none"}})


EXTERNAL = {"bootstrap_servers": "broker:9092"}


@pytest.mark.parametrize(
    ("kafka", "flink", "timeout_ms"),
    [
        ({}, {}, 3_600_000),
        (EXTERNAL, {}, 900_000),
        (EXTERNAL, {"transaction_timeout_s": 7_200}, 7_200_000),
    ],
)
def test_a_transaction_may_stay_open_as_long_as_the_settings_say(
    tmp_path: Path, kafka: dict[str, str], flink: dict[str, int], timeout_ms: int
) -> None:
    told = options(tmp_path, "router", kafka=kafka, **flink)
    assert f"'properties.transaction.timeout.ms' = '{timeout_ms}'" in told
    own = kafka_properties(load_settings(tmp_path), Layout(tmp_path), defaultdict(int))
    # The largest that the settings take.
    assert own["transaction.max.timeout.ms"] == 86_400_000


def test_the_broker_remembers_transactional_ids_as_long_as_its_heap_has_room(
    tmp_path: Path,
) -> None:
    def hours(heap_mb: int = 512, **flink: object) -> int:
        given = load_settings(tmp_path, stack={"kafka_heap_mb": heap_mb}, flink=flink)
        told = kafka_properties(given, Layout(tmp_path), defaultdict(int))
        return int(str(told["transactional.id.expiration.ms"])) // 3_600_000

    assert hours(checkpoint_interval_ms=5_000) == 23
    assert hours(1_024, checkpoint_interval_ms=5_000) == 47
    assert hours(checkpoint_interval_ms=5_000, parallelism=2) == 11
    # One fast job takes the room of many slow ones; one at-least-once takes none.
    assert hours(jobs={"router": {"checkpoint_interval_ms": 100}}) == 2
    fast = {"checkpoint_interval_ms": 100, "delivery": "at-least-once"}
    assert hours(jobs={"router": fast}) == 168
    assert hours(checkpoint_interval_ms=100) == 1


@pytest.mark.parametrize(
    ("flink", "name"),
    [
        ({"checkpoint_interval_ms": 180_001}, "flink.checkpoint_interval_ms"),
        (
            {"jobs": {"router": {"checkpoint_interval_ms": 180_001}}},
            "flink.jobs.router.checkpoint_interval_ms",
        ),
    ],
)
def test_checkpoints_too_far_apart_for_a_transaction_are_refused(
    tmp_path: Path, flink: dict[str, Any], name: str
) -> None:
    """A fifth of the transaction timeout is the most; no broker is asked before it is checked."""

    def submitted(job: str, **more: object) -> None:
        settings = load_settings(tmp_path, kafka=EXTERNAL, flink={**flink, **more})
        deployment.deployment(settings, job)

    with pytest.raises(UsageError, match=f"{name}: 180001 .* 900 s") as error:
        submitted("router")
    assert "at most 180000; or at least 901 for flink.transaction_timeout_s" in error.value.hint
    submitted("router", transaction_timeout_s=901)
    submitted("router", transaction_timeout_s=900, delivery="at-least-once", jobs={})
    if "jobs" in flink:
        submitted("landing")


@pytest.mark.parametrize(
    ("flink", "name"),
    [
        ({"delivery": "at-least-once"}, "flink.delivery"),
        ({"jobs": {"aggregates": {"delivery": "at-least-once"}}}, "flink.jobs.aggregates.delivery"),
    ],
)
def test_repeats_that_no_reader_could_tell_are_refused(
    tmp_path: Path, flink: dict[str, Any], name: str
) -> None:
    settings = load_settings(tmp_path, kafka=EXTERNAL, flink=flink)
    with pytest.raises(UsageError, match=f"setting {name}: at-least-once is not for aggregates"):
        deployment.deployment(settings, "aggregates")
    # Files are read once, and others have keys.
    deployment.deployment(settings, "aggregates", kafka=False)
    deployment.deployment(settings, "router")
    own = {**flink, "jobs": {"aggregates": {"delivery": "exactly-once"}}}
    settings = load_settings(tmp_path, kafka=EXTERNAL, flink=own)
    assert deployment.deployment(settings, "aggregates")["delivery"] == "exactly-once"


def test_the_longest_interval_of_the_embedded_broker_is_12_minutes(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"720001 .* 3600 s"):
        deployment.deployment(
            load_settings(tmp_path, flink={"checkpoint_interval_ms": 720_001}), "landing"
        )
