"""Environments of other engines and schedulers: each made from a lock of its own, once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]


def environment_of(lock: Path, home: Path, progress: Callable[[str], None]) -> Path:
    """Return the Python of an environment; made from its lock where it is missing or older.

    Parameters
    ----------
    lock
        Requirements with hashes.
    home
        Folder of the environment.
    progress
        Told when it is made.

    Raises
    ------
    subprocess.CalledProcessError
        Where it cannot be installed; the message is in its ``stderr``.
    """
    python, made = home / "bin" / "python", home / "made-of"
    if made.is_file() and made.read_text() == lock.read_text():
        return python
    progress(f"making the environment of {home.name}")
    uv = ROOT / ".venv" / "uv" / "bin" / "uv"
    for words in (
        ["venv", "--quiet", "--clear", "--python", sys.executable, home],
        ["pip", "sync", "--quiet", "--require-hashes", "--python", python, lock],
    ):
        command = [str(word) for word in (uv, *words)]
        subprocess.run(command, check=True, capture_output=True, text=True)
    made.write_text(lock.read_text())
    return python
