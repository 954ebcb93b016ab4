"""The jars of ``jars.lock``: fetched once into a cache, verified, never unpinned.

A jar whose content is not the locked one is refused with its name and both hashes. The whole
content is hashed when a jar is fetched and by ``workbench doctor``; in between, size and
modification time recorded at the last full check must still hold, else it is hashed again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import StackError
from workbench.stack.files import CHECKOUT, cache_folder, disk_errors

LOCK_FILE = CHECKOUT / "jars.lock"
#: Address of a Maven repository to use instead of Maven Central (a company's mirror).
MIRROR_VARIABLE = "WORKBENCH_MAVEN_REPOSITORY"

Progress = Callable[[str], None]


@dataclass(frozen=True, order=True)
class Jar:
    """One locked jar: what it is for, its Maven coordinates and the SHA-256 of its bytes."""

    role: str
    group: str
    artifact: str
    version: str
    sha256: str = ""

    @property
    def coordinates(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def filename(self) -> str:
        return f"{self.artifact}-{self.version}.jar"

    @property
    def path(self) -> Path:
        """Where the cache keeps it; the hash is part of the way, so locks do not collide."""
        return cache_folder() / "jars" / self.sha256[:16] / self.filename


def parse_line(line: str) -> Jar:
    """Return the jar of one line of the lock.

    Examples
    --------
    >>> parse_line("kafka org.slf4j:slf4j-api:1.7.36 sha256:" + "0" * 64).filename
    'slf4j-api-1.7.36.jar'
    """
    try:
        role, coordinates, digest = line.split()
        group, artifact, version = coordinates.split(":")
        kind, _, sha256 = digest.partition(":")
        if kind != "sha256" or len(sha256) != 64:
            raise ValueError(digest)
    except ValueError as error:
        raise StackError(
            f"jars.lock: cannot read the line {line!r}",
            hint="renew it with `make lock`",
        ) from error
    return Jar(role, group, artifact, version, sha256)


def read_lock(path: Path = LOCK_FILE) -> tuple[Jar, ...]:
    """Return all locked jars in the order of the file.

    Raises
    ------
    StackError
        Where the lock is missing or a line of it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise StackError(f"{path} is missing", hint="run from a complete checkout") from error
    return tuple(parse_line(line) for line in lines if line.strip() and not line.startswith("#"))


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as hexadecimal text."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _stamp(path: Path) -> Path:
    return path.with_name(path.name + ".verified")


def _fingerprint(path: Path) -> str:
    stat = path.stat()
    return f"{stat.st_size} {stat.st_mtime_ns}"


def verify(jar: Jar, path: Path | None = None, *, full: bool = False) -> Path:
    """Return the jar's path if its bytes are the locked ones.

    Parameters
    ----------
    jar
        The locked jar.
    path
        The file to check; the cache's copy when None.
    full
        Hash the content even where size and modification time are those of the last check.

    Raises
    ------
    StackError
        Where the content differs; names the jar and both hashes.
    FileNotFoundError
        Where there is no such file.
    """
    path = path or jar.path
    seen = _fingerprint(path)
    stamp = _stamp(path)
    if not full and stamp.is_file() and stamp.read_text() == seen:
        return path
    actual = file_sha256(path)
    if actual != jar.sha256:
        stamp.unlink(missing_ok=True)
        raise StackError(
            f"jar {jar.filename} ({jar.coordinates}) is refused: "
            f"locked sha256 {jar.sha256}, found sha256 {actual}",
            hint=f"delete {path} and run again; if it comes back, do not trust its source",
        )
    stamp.write_text(seen)
    return path


def _own_copy(jar: Jar, folder: Path) -> Path | None:
    """A copy out of Maven's usual cache, if the machine has one and it is the locked jar."""
    repository = Path(os.environ.get("M2_REPO", Path.home() / ".m2" / "repository"))
    found = repository.joinpath(*jar.group.split("."), jar.artifact, jar.version, jar.filename)
    if not found.is_file() or file_sha256(found) != jar.sha256:
        return None
    return Path(shutil.copyfile(found, folder / jar.filename))


def _download(jar: Jar, folder: Path) -> Path:
    from jgo.maven import MavenContext

    mirror = os.environ.get(MIRROR_VARIABLE)
    context = MavenContext(
        repo_cache=folder,
        local_repos=[],
        remote_repos={"mirror": mirror} if mirror else None,
        timeout=60,
    )
    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    last: Exception | None = None
    for _ in range(3):
        try:
            return Path(artifact.resolve())
        except OSError as error:
            if error.errno is not None and not isinstance(error, ConnectionError):
                raise
            last = error
        except Exception as error:
            last = error
        # A broken download must not be taken for the jar by the next attempt.
        for partial in folder.rglob(jar.filename):
            partial.unlink()
    reason = (str(last).splitlines() or [type(last).__name__])[0]
    raise StackError(
        f"jar {jar.coordinates} could not be fetched ({reason})",
        hint=f"check the network, or set {MIRROR_VARIABLE} to a Maven repository you can reach",
    ) from last


def fetch(jar: Jar) -> Path:
    """Bring one jar into the cache, verified; what is there already is only verified."""
    target = jar.path
    if target.is_file():
        return verify(jar)
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as temporary:
            folder = Path(temporary)
            found = _own_copy(jar, folder) or _download(jar, folder)
            actual = file_sha256(found)
            if actual != jar.sha256:
                raise StackError(
                    f"jar {jar.filename} ({jar.coordinates}) is refused: "
                    f"locked sha256 {jar.sha256}, fetched sha256 {actual}",
                    hint="do not use it: the repository does not serve the locked jar",
                )
            found.replace(target)
        return verify(jar, full=True)


def ensure_jars(
    *roles: str, lock: Path = LOCK_FILE, progress: Progress = lambda _: None
) -> list[Path]:
    """Return the verified paths of all jars of `roles`, fetching what is missing.

    Parameters
    ----------
    *roles
        ``flink`` (connectors for the class path), ``kafka`` (the broker), ``build`` (compiler).
    lock
        Another lock file, for tests.
    progress
        Is told which jar came in.

    Raises
    ------
    StackError
        Where a jar cannot be fetched or is not the locked one.

    Examples
    --------
    >>> ensure_jars("kafka")[0].suffix  # doctest: +SKIP
    '.jar'
    """
    jars = [jar for jar in read_lock(lock) if jar.role in roles]
    missing = [jar for jar in jars if not jar.path.is_file()]
    if missing:
        progress(f"fetching {len(missing)} jars")
        with ThreadPoolExecutor(max_workers=6) as pool:
            pending = {pool.submit(fetch, jar): jar for jar in missing}
            try:
                for done, future in enumerate(as_completed(pending), start=1):
                    size = future.result().stat().st_size / 2**20
                    if size > 5 or done % 10 == 0 or done == len(missing):
                        name = pending[future].filename
                        progress(f"  {done}/{len(missing)} {name} ({size:.1f} MiB)")
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    return [verify(jar) for jar in jars]


def check_all(jars: Iterable[Jar]) -> list[str]:
    """Hash every cached jar anew; return one line per jar that is missing or wrong."""
    problems = []
    for jar in jars:
        try:
            verify(jar, full=True)
        except FileNotFoundError:
            problems.append(f"jar {jar.coordinates} is not in the cache")
        except StackError as error:
            problems.append(str(error))
    return problems
