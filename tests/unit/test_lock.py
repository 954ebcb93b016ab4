"""The locks: everything pinned by hash, no address in them, one set of versions for every way."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from workbench.doctor import locked_versions
from workbench.stack.jars import read_lock
from workbench.stack.jars_lock import ROOTS

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = (
    "requirements.lock",
    "requirements-bootstrap.lock",
    "deploy/airflow/requirements.lock",
    "deploy/dagster/requirements.lock",
)
LOCKS = (*REQUIREMENTS, "jars.lock", "environment.yml", "overrides.txt")


def entries(name: str) -> list[str]:
    """Each package of a requirements file with its hashes, as one line."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    return [
        line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]


@pytest.mark.parametrize("name", LOCKS)
def test_no_lock_names_an_address_or_a_folder_of_a_machine(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.search(r"https?://|file:|@ |--(extra-)?index-url|--find-links|^\s*/", text, re.M)
    assert not re.search(r"\.(com|org|io|net)/", text)


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_every_package_is_pinned_and_carries_hashes(name: str) -> None:
    assert entries(name)
    for entry in entries(name):
        assert re.match(r"^[A-Za-z0-9._-]+==\S+ ", entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry


def test_the_lock_satisfies_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = {name.lower(): v for name, v in locked_versions(ROOT / "requirements.lock").items()}
    extras = project["optional-dependencies"]
    for line in (*project["dependencies"], *extras["flink"], *extras["dev"]):
        requirement = Requirement(line)
        version = locked[requirement.name.lower()]
        assert requirement.specifier.contains(version), f"{line}: locked {version}"


def test_the_lock_respects_the_overrides() -> None:
    locked = locked_versions(ROOT / "requirements.lock")
    for line in (ROOT / "overrides.txt").read_text().split():
        requirement = Requirement(line)
        assert requirement.specifier.contains(locked[requirement.name])


def test_what_is_installed_is_what_is_locked() -> None:
    locked = locked_versions(ROOT / "requirements.lock")
    assert {name: metadata.version(name) for name in locked} == locked


def test_conda_installs_the_same_lock() -> None:
    """`environment.yml` names Python and pip; every package comes from the one lock."""
    lines = (ROOT / "environment.yml").read_text().splitlines()
    listed = [line.strip(" -") for line in lines if re.match(r"\s+- ", line)]
    python = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    channel, interpreter, pip, section, hashes, lock = listed
    assert (channel, pip, section) == ("conda-forge", "pip", "pip:")
    assert interpreter == f"python{python}"
    assert (hashes, lock) == ("require-hashes", "r requirements.lock")


def test_the_jars_are_those_of_the_roots() -> None:
    locked = {(jar.role, jar.coordinates) for jar in read_lock()}
    assert {(role, coordinates) for role, coordinates, _ in ROOTS} <= locked
    assert {role for role, _ in locked} == {"build", "flink", "kafka"}


def test_a_jar_has_one_version_per_role() -> None:
    names = [(jar.role, jar.group, jar.artifact) for jar in read_lock()]
    assert len(names) == len(set(names))
