"""Settings: flag over environment over file over default; each knows its source."""

from __future__ import annotations

import json
import re
import traceback
from pathlib import Path

import pytest

from workbench.cli import main
from workbench.config import MACHINE_VARIABLES, find_project, load_settings
from workbench.errors import LakeError, UsageError
from workbench.jobs.deployment import alert_rules
from workbench.lake.catalog import flink_catalog_options, load_catalog
from workbench.provenance import HIDDEN, Value, explain, hide


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "workbench.toml").write_text(
        '[kafka]\nprofile = "full"\ntopic_prefix = "file."\n[flink]\nparallelism = 3\n'
    )
    return tmp_path


def source(values: list[Value], name: str) -> Value:
    return next(value for value in values if value.name == name)


def test_flag_over_environment_over_file_over_default(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_KAFKA__TOPIC_PREFIX", "environment.")
    monkeypatch.setenv("WORKBENCH_FLINK__PARALLELISM", "4")
    settings = load_settings(project, flink={"parallelism": 5})
    assert settings.kafka.profile == "full"
    assert settings.kafka.topic_prefix == "environment."
    assert settings.flink.parallelism == 5
    assert settings.stack.slots == 8


def test_each_value_knows_where_it_comes_from(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_KAFKA__TOPIC_PREFIX", "environment.")
    values = explain(load_settings(project, stack={"slots": 2}))
    assert source(values, "kafka.profile").source == str(project / "workbench.toml")
    assert source(values, "kafka.topic_prefix").source == (
        "environment WORKBENCH_KAFKA__TOPIC_PREFIX"
    )
    assert source(values, "stack.slots").source == "argument"
    assert source(values, "stack.kafka_port").source == "default"


def test_a_whole_section_as_json_in_the_environment(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_DUCKDB", '{"threads": 2}')
    values = explain(load_settings(project))
    assert source(values, "duckdb.threads") == Value(
        "duckdb.threads", 2, "environment WORKBENCH_DUCKDB"
    )


def test_secrets_never_show(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORKBENCH_PROJECT", str(project))
    monkeypatch.setenv("WORKBENCH_KAFKA__PASSWORD", "hunter2")
    monkeypatch.setenv(
        "WORKBENCH_KAFKA__PROPERTIES",
        json.dumps({"sasl.password": "hunter2", "sasl.jaas.config": 'x password="hunter2"'}),
    )
    monkeypatch.setenv(
        "WORKBENCH_LAKE__PROPERTIES",
        json.dumps({"uri": "postgresql://me:hunter2@db/lake", "s3.secret-access-key": "hunter2"}),
    )
    for arguments in (["config", "show"], ["config", "show", "--json"]):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 0
        shown = capsys.readouterr()
        assert "hunter2" not in shown.out + shown.err
        assert HIDDEN in shown.out


def test_a_wrong_value_is_one_line_with_setting_value_and_places_to_mend_it(project: Path) -> None:
    with pytest.raises(UsageError) as error:
        load_settings(project, flink={"parallelism": 0})
    said = str(error.value)
    for part in ("flink.parallelism", "got 0", "workbench.toml", "WORKBENCH_FLINK__PARALLELISM"):
        assert part in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("alerts", "said"),
    [
        ({"state_ttl_s": 299}, "at least alerts.window_s is needed, which is 300, got 299"),
        ({"window_s": 1, "state_ttl_s": 59}, "alerts.cooldown_s is needed, which is 60, got 59"),
        ({"window_s": 601}, "at least alerts.window_s is needed, which is 601, got 600"),
        (
            {"symbols": {"AAPL": {"cooldown_s": 900}}},
            "at least alerts.symbols.AAPL.cooldown_s is needed, which is 900, got 600",
        ),
    ],
)
def test_what_is_known_of_a_symbol_outlives_its_rules(
    project: Path, alerts: dict[str, object], said: str
) -> None:
    with pytest.raises(UsageError, match=r"setting alerts\.state_ttl_s: .*" + said):
        load_settings(project, alerts=alerts)
    load_settings(project, alerts={**alerts, "state_ttl_s": 900})


def test_a_symbol_keeps_its_case_or_its_rule_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of variables have no case: `aapl` would be a rule that no price ever meets."""
    monkeypatch.setenv("WORKBENCH_ALERTS__SYMBOLS__AAPL__THRESHOLD_PERCENT", "5.25")
    with pytest.raises(UsageError, match=r"SYMBOLS__AAPL__THRESHOLD_PERCENT sets") as error:
        load_settings(project)
    assert "5.25" not in str(error.value)
    # What it says instead is taken, with the case it has.
    advice = error.value.hint or ""
    table = re.search(r"\[alerts\.symbols\.AAPL\]", advice)
    variable = re.search(r"(WORKBENCH_ALERTS__SYMBOLS)='(.+)'", advice)
    assert table and variable
    monkeypatch.delenv("WORKBENCH_ALERTS__SYMBOLS__AAPL__THRESHOLD_PERCENT")
    toml = project / "workbench.toml"
    toml.write_text(f"{table.group()}\nthreshold_percent = 5\n")
    assert alert_rules(load_settings(project)).endswith(";AAPL|5|300000|60000")
    toml.write_text("")
    monkeypatch.setenv(*variable.groups())
    assert alert_rules(load_settings(project)).endswith(";AAPL|5|300000|60000")


def test_an_unknown_setting_is_an_error(project: Path) -> None:
    (project / "workbench.toml").write_text("[kafka]\nprofil = 'dev'\n")
    with pytest.raises(UsageError, match=r"kafka\.profil"):
        load_settings(project)


def test_the_project_is_the_nearest_folder_with_the_file(project: Path) -> None:
    below = project / "a" / "b"
    below.mkdir(parents=True)
    assert find_project(below) == project


@pytest.mark.parametrize(
    "toml",
    [
        "[kafka]\npassword = 12345",
        '[kafka]\npassword = ["12345"]',
        '[kafka]\npasswort = "12345"',
        '[kafka.properties]\n"sasl.password" = 12345',
        "[kafka.properties]\nssl.key.pem = 12345",
        'kafka = "12345"',
        'passwort = "12345"',
        '[kafka]\nproperties = "sasl.password=12345"',
        '[lake.properties]\nuri = ["postgresql://me:12345@db"]',
    ],
)
def test_a_refused_value_is_no_way_to_read_a_secret(project: Path, toml: str) -> None:
    (project / "workbench.toml").write_text(toml)
    with pytest.raises(UsageError) as error:
        load_settings(project)
    assert "12345" not in "".join(traceback.format_exception(error.value)).replace(str(project), "")


def test_a_secret_in_a_section_as_json_does_not_show(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_KAFKA", '{"password": 12345}')
    with pytest.raises(UsageError, match=r"kafka\.password.*\(hidden\)") as error:
        load_settings(project)
    assert "12345" not in str(error.value)


@pytest.mark.parametrize(
    "name",
    [
        "sasl.password",
        "s3.secret-access-key",
        "adls.account-key",
        "adls.connection-string",
        "header.Authorization",
        "header.X-Api-Key",
        "ssl.key.pem",
        "ssl.keystore.key",
        "sasl.oauthbearer.config",
    ],
)
def test_a_secret_is_known_by_its_name(name: str) -> None:
    assert hide("lake.properties", {name: "hunter2"}) == {name: HIDDEN}


def test_what_is_no_secret_is_shown() -> None:
    plain = {"ssl.key.location": "/k.pem", "s3.region": "eu", "uri": "http://host:80/a", "n": 1}
    assert hide("lake.properties", plain) == plain


@pytest.mark.parametrize("password", ["hunter2", "hun/ter2", "hun@ter2", "h:un/t@er2", "h@/:2"])
def test_a_password_in_a_uri_is_hidden_whatever_it_holds(password: str) -> None:
    shown = hide("lake.properties", {"uri": f"postgresql://me:{password}@db/lake"})
    assert shown == {"uri": "postgresql://(hidden)@db/lake"}
    query = hide(
        "lake.properties.uri", f"jdbc:postgresql://db/lake?user=me&password={password}&a=1"
    )
    assert query == "jdbc:postgresql://db/lake?user=me&password=(hidden)&a=1"


@pytest.mark.parametrize(
    "properties",
    [
        {"type": "sql", "uri": "postgresql://me:hunt/er2@127.0.0.1:1/lake"},
        {"type": "sql", "uri": "postgresql+psycopg2://me:hunter2@127.0.0.1:1/lake"},
        {"type": "rest", "uri": "http://me:hunter2@127.0.0.1:1"},
        {"type": "hive", "uri": "thrift://me:hunter2@127.0.0.1:1"},
        {"type": "hunter2", "uri": "x://me:hunter2@127.0.0.1:1", "adls.account-key": "hunter2"},
        {"uri": "nonsense", "token": "hunter2"},
    ],
)
def test_the_errors_of_a_catalog_show_no_password(
    project: Path, properties: dict[str, str]
) -> None:
    settings = load_settings(project, lake={"properties": properties})
    with pytest.raises(LakeError) as opened:
        load_catalog(settings)
    assert "unt" not in "".join(traceback.format_exception(opened.value)).split("LakeError")[-1]
    try:
        flink_catalog_options(settings)
    except UsageError as error:
        assert "unt" not in str(error).replace("hunter2'", "")


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("WORKBENCH_KAFAK__PROFILE", "WORKBENCH_KAFKA__PROFILE"),
        ("WORKBENCH_KAFKA__PROFIL", "WORKBENCH_KAFKA__PROFILE"),
        ("WORKBENCH_PROFILE", "WORKBENCH_KAFKA__PROFILE"),
        ("WORKBENCH_JAVAHOME", "WORKBENCH_JAVA_HOME"),
        ("workbench_project", "WORKBENCH_PROJECT"),
        ("WORKBENCH_KAFKA__PASSWORD__X", "WORKBENCH_KAFKA__PASSWORD"),
    ],
)
def test_a_variable_that_sets_nothing_is_named_with_what_was_meant(
    project: Path, monkeypatch: pytest.MonkeyPatch, variable: str, meant: str
) -> None:
    monkeypatch.setenv(variable, "s3cret")
    with pytest.raises(UsageError, match=rf"{variable}: did you mean {meant}\?") as error:
        load_settings(project)
    assert "s3cret" not in str(error.value)


def test_every_variable_that_is_known_is_taken(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in MACHINE_VARIABLES:
        monkeypatch.setenv(variable, str(project))
    monkeypatch.setenv("WORKBENCH_KAFKA__PROPERTIES__CLIENT.RACK", "r1")
    monkeypatch.setenv("workbench_flink__parallelism", "2")
    settings = load_settings()
    assert settings.kafka.properties == {"client.rack": "r1"}
    assert settings.flink.parallelism == 2


def test_a_project_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_PROJECT", "/nope/x")
    with pytest.raises(UsageError, match=r"WORKBENCH_PROJECT names no folder: '/nope/x'"):
        load_settings()


@pytest.mark.parametrize("name", ["lake.warehouse", "stack.folder", "reference.symbols"])
def test_an_empty_path_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    section, key = name.split(".")
    monkeypatch.setenv(f"WORKBENCH_{section}__{key}".upper(), "")
    with pytest.raises(UsageError, match=rf"setting {name}: a path is needed, got ''"):
        load_settings(project)
    monkeypatch.delenv(f"WORKBENCH_{section}__{key}".upper())
    (project / "workbench.toml").write_text(f'[{section}]\n{key} = ""\n')
    with pytest.raises(UsageError, match=name):
        load_settings(project)
