"""Settings: flag over environment over file over default; each knows its source."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.cli import main
from workbench.config import find_project, load_settings
from workbench.errors import UsageError
from workbench.provenance import HIDDEN, Value, explain


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


def test_an_unknown_setting_is_an_error(project: Path) -> None:
    (project / "workbench.toml").write_text("[kafka]\nprofil = 'dev'\n")
    with pytest.raises(UsageError, match=r"kafka\.profil"):
        load_settings(project)


def test_the_project_is_the_nearest_folder_with_the_file(project: Path) -> None:
    below = project / "a" / "b"
    below.mkdir(parents=True)
    assert find_project(below) == project
