"""An archive of classes is made once, for one Java and one class path, and is never needed."""

from __future__ import annotations

import gzip
import os
import stat
from pathlib import Path

import pytest

from workbench.stack import class_sharing
from workbench.stack.class_sharing import shared_classes
from workbench.stack.java import Java

#: Writes the archive it is told to, and counts how often it was run.
WORKS = """#!/bin/sh
echo run >> "$(dirname "$0")/runs"
for word; do case "$word" in -XX:SharedArchiveFile=*) echo "$CLASSPATH" > "${word#*=}";; esac; done
"""
FAILS = '#!/bin/sh\necho run >> "$(dirname "$0")/runs"\necho "no room for classes" >&2\nexit 1\n'


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    listed = tmp_path / "classes.lst.gz"
    listed.write_bytes(gzip.compress(b"java/lang/Object\n"))
    monkeypatch.setattr(class_sharing, "CLASS_LIST", listed)


def java(folder: Path, script: str) -> Java:
    (folder / "bin").mkdir(parents=True)
    (folder / "lib" / "server").mkdir(parents=True)
    (folder / "lib" / "server" / "libjvm.so").write_text("a JVM")
    program = folder / "bin" / "java"
    program.write_text(script)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return Java(folder, "17.0.1", "a test")


def runs(of: Java) -> int:
    file = of.home / "bin" / "runs"
    return len(file.read_text().splitlines()) if file.is_file() else 0


def jar(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(name)
    return folder / name


def archive(options: list[str]) -> Path:
    (option,) = options
    return Path(option.removeprefix("-XX:SharedArchiveFile="))


def test_an_archive_is_made_once_and_holds_the_class_path(tmp_path: Path) -> None:
    works, said = java(tmp_path / "java", WORKS), list[str]()
    jars = [jar(tmp_path / "lib", "a.jar"), jar(tmp_path / "lib", "b.jar")]
    first = archive(shared_classes(works, jars, said.append))
    assert first.read_text().strip() == os.pathsep.join(map(str, jars))
    assert archive(shared_classes(works, jars, said.append)) == first
    assert runs(works) == 1
    assert len(said) == 1 and "once" in said[0]
    assert sorted(file.name for file in first.parent.iterdir()) == [first.name, "lock"]


def test_another_jar_or_another_java_is_another_archive(tmp_path: Path) -> None:
    works, one = java(tmp_path / "java", WORKS), jar(tmp_path / "lib", "a.jar")
    first = archive(shared_classes(works, [one]))
    one.write_text("other classes")
    second = archive(shared_classes(works, [one]))
    (works.home / "lib" / "server" / "libjvm.so").write_text("a newer JVM")
    third = archive(shared_classes(works, [one]))
    assert len({first, second, third}) == 3


def test_a_java_that_cannot_is_asked_once_and_starts_without(tmp_path: Path) -> None:
    fails, said = java(tmp_path / "java", FAILS), list[str]()
    assert shared_classes(fails, [], said.append) == []
    assert said[-1].endswith("no room for classes")
    assert shared_classes(fails, [], said.append) == []
    assert runs(fails) == 1


@pytest.mark.parametrize("missing", ["list", "cache", "java"])
def test_what_is_missing_is_no_reason_not_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    works, said = java(tmp_path / "java", WORKS), list[str]()
    if missing == "list":
        monkeypatch.setattr(class_sharing, "CLASS_LIST", tmp_path / "none")
    elif missing == "cache":
        (tmp_path / "cache").write_text("no folder")
    else:
        (works.home / "lib" / "server" / "libjvm.so").unlink()
    assert shared_classes(works, [], said.append) == []
    assert said and said[0].startswith("classes are loaded from the jars")


def test_few_archives_are_kept(tmp_path: Path) -> None:
    works = java(tmp_path / "java", WORKS)
    made = []
    for number in range(6):
        one = jar(tmp_path / "lib", f"{number}.jar")
        made.append(archive(shared_classes(works, [one])))
        os.utime(made[-1], (number, number))
    left = [number for number, file in enumerate(made) if file.is_file()]
    assert left == [3, 4, 5]
