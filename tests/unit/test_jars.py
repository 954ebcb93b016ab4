"""A jar that is not the locked one is refused, with its name and both hashes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from workbench.errors import StackError
from workbench.stack import jars
from workbench.stack.jars import Jar, ensure_jars, fetch, file_sha256, read_lock, verify

CONTENT = b"PK\x03\x04 a small jar"
RIGHT = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def jar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Jar:
    """A locked jar that lies in a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))
    jar = Jar("flink", "org.example", "small", "1.0", RIGHT)
    jar.path.parent.mkdir(parents=True)
    jar.path.write_bytes(CONTENT)
    return jar


@pytest.fixture
def lock(tmp_path: Path, jar: Jar) -> Path:
    path = tmp_path / "jars.lock"
    path.write_text(f"# comment\n\nflink {jar.coordinates} sha256:{jar.sha256}\n")
    return path


def test_the_locked_jar_is_used(jar: Jar, lock: Path) -> None:
    assert ensure_jars("flink", lock=lock) == [jar.path]
    assert ensure_jars("kafka", lock=lock) == []


def test_a_tampered_jar_is_refused_with_its_name_and_both_hashes(jar: Jar, lock: Path) -> None:
    ensure_jars("flink", lock=lock)
    jar.path.write_bytes(CONTENT + b"!")
    wrong = file_sha256(jar.path)
    with pytest.raises(StackError) as error:
        ensure_jars("flink", lock=lock)
    for part in ("small-1.0.jar", "org.example:small:1.0", RIGHT, wrong, str(jar.path)):
        assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_a_broken_download_is_refused_and_not_kept(
    jar: Jar, monkeypatch: pytest.MonkeyPatch
) -> None:
    jar.path.unlink()

    def download(jar: Jar, folder: Path) -> Path:
        (folder / jar.filename).write_bytes(CONTENT[:-3])
        return folder / jar.filename

    monkeypatch.setattr(jars, "_download", download)
    with pytest.raises(StackError) as error:
        fetch(jar)
    assert RIGHT in str(error.value)
    assert hashlib.sha256(CONTENT[:-3]).hexdigest() in str(error.value)
    assert "small-1.0.jar" in str(error.value)
    assert list(jar.path.parent.iterdir()) == []


def test_the_full_check_sees_what_size_and_time_hide(jar: Jar) -> None:
    verify(jar)
    before = jar.path.stat()
    jar.path.write_bytes(CONTENT.swapcase())
    os.utime(jar.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert verify(jar) == jar.path
    with pytest.raises(StackError, match="is refused"):
        verify(jar, full=True)
    # The refusal holds from then on, for the quick check too.
    with pytest.raises(StackError, match="is refused"):
        verify(jar)


def test_the_machines_own_maven_cache_is_used_if_it_has_the_locked_jar(
    jar: Jar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "m2" / "org" / "example" / "small" / "1.0" / jar.filename
    own.parent.mkdir(parents=True)
    jar.path.replace(own)
    monkeypatch.setattr(jars, "_download", None)
    assert fetch(jar).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "line",
    [
        "flink org.example:small:1.0",
        "flink org.example:small sha256:" + "0" * 64,
        "flink org.example:small:1.0 md5:" + "0" * 64,
        "flink org.example:small:1.0 sha256:00",
    ],
)
def test_a_line_without_coordinates_and_sha256_is_an_error(tmp_path: Path, line: str) -> None:
    (tmp_path / "jars.lock").write_text(line)
    with pytest.raises(StackError, match="make lock"):
        read_lock(tmp_path / "jars.lock")
