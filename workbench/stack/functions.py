"""Compile the small Java functions of ``flink_jobs/functions`` into one jar, without a JDK.

The compiler is ECJ, a jar that runs on a JRE. The jar's name carries a hash of the sources and
of what they are compiled with, so that it is built once and again only when one of them changes.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

from workbench.config import Settings
from workbench.errors import StackError
from workbench.stack.files import CHECKOUT, cache_folder, disk_errors
from workbench.stack.jars import Progress, ensure_jars
from workbench.stack.java import find_java

SOURCES = CHECKOUT / "flink_jobs" / "functions"
#: Class files for the oldest Java the stack runs on.
RELEASE = "17"


def flink_distribution() -> Path:
    """Return the folder of the Flink distribution inside the PyFlink wheel.

    Looked up without importing it: `workbench` never imports `pyflink`.
    """
    spec = find_spec("pyflink")
    if spec is None or not spec.submodule_search_locations:
        raise StackError("apache-flink is not installed", hint="run `make setup`")
    return Path(spec.submodule_search_locations[0])


def _problems(output: str) -> str:
    """The compiler's errors as one line: file, line and message of the first three."""
    found = []
    lines = output.splitlines()
    for number, line in enumerate(lines):
        if " ERROR in " in line:
            place = line.partition(" ERROR in ")[2]
            name, _, at = place.partition(" (at line ")
            # The message is the line after the one that underlines the place.
            message = next(
                (
                    lines[i + 1].strip()
                    for i in range(number, min(number + 6, len(lines) - 1))
                    if set(lines[i].strip()) == {"^"}
                ),
                "",
            )
            found.append(f"{Path(name).name} line {at.rstrip(')')}: {message}")
    if not found:
        return " ".join(output.split())[:500] or "no output"
    more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
    return "; ".join(found[:3]) + more


def _compile(sources: list[Path], output: Path, classpath: list[Path], compiler: Path) -> None:
    command = [
        find_java().executable,
        "-jar",
        str(compiler),
        *("-source", RELEASE, "-target", RELEASE),
        *("-encoding", "UTF-8", "-proc:none", "-nowarn", "-g:lines,source"),
        *("-cp", os.pathsep.join(map(str, classpath))),
        *("-d", str(output)),
        *map(str, sources),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise StackError(
            f"the Java functions do not compile: {_problems(done.stderr + done.stdout)}",
            hint=f"mend the source in {sources[0].parent}",
        )


def _pack(classes: Path, jar: Path) -> None:
    """Write a jar whose bytes depend on the class files alone: sorted, without times."""
    temporary = jar.with_name(f".{jar.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            entries = [("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\r\n\r\n")]
            entries += [
                (path.relative_to(classes).as_posix(), path.read_bytes())
                for path in sorted(classes.rglob("*.class"))
            ]
            for name, content in entries:
                info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = 0o644 << 16
                archive.writestr(info, content)
        temporary.replace(jar)
    finally:
        temporary.unlink(missing_ok=True)


def functions_jar(
    settings: Settings, sources: Path | None = None, progress: Progress = lambda _: None
) -> Path | None:
    """Return the jar of the compiled functions, compiling them where it does not exist yet.

    Parameters
    ----------
    settings
        The settings in force.
    sources
        Folder of the ``*.java`` files; the project's own when None.
    progress
        Is told when something is compiled.

    Returns
    -------
    Path or None
        The jar in the user's cache; None where there is no source at all.

    Raises
    ------
    StackError
        Where a source does not compile; one line with file, line number and message.
    """
    del settings  # Nothing to set yet; every part of the stack takes the settings first.
    folder = sources or SOURCES
    files = sorted(folder.rglob("*.java"))
    if not files:
        return None
    lib = flink_distribution() / "lib"
    # A function may build on the Kafka connector; what the planner hides in nested jars is no API.
    connectors = [jar for jar in ensure_jars("flink", progress=progress) if "kafka" in jar.name]
    classpath = [*sorted(lib.glob("flink-*.jar")), *connectors]
    (compiler,) = ensure_jars("build", progress=progress)
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        digest.update(path.read_bytes() + b"\0")
    for part in (RELEASE, compiler.name, *(path.name for path in classpath)):
        digest.update(part.encode() + b"\0")
    target = cache_folder() / "functions" / f"workbench-functions-{digest.hexdigest()[:16]}.jar"
    if target.is_file():
        return target
    progress(f"compiling {len(files)} Java functions")
    with disk_errors(target), tempfile.TemporaryDirectory() as temporary:
        target.parent.mkdir(parents=True, exist_ok=True)
        _compile(files, Path(temporary), classpath, compiler)
        _pack(Path(temporary), target)
    return target
