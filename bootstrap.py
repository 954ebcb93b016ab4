"""Make `.venv` from the locks: `python3.11 bootstrap.py`, which is what `make setup` does.

Standard library only: this runs before anything is installed. It needs Python 3.11 or 3.12 and the
package index, nothing else. Every file that is installed is pinned by hash: `uv` itself and what
builds source packages by requirements-bootstrap.lock, the packages by requirements.lock, the jars
by jars.lock. A second run sees by a stamp that nothing changed and does nothing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
#: uv lives in a place of its own: a sync would remove it as a package that is not in the lock.
UV_HOME = VENV / "uv"
LOCKS = ("requirements-bootstrap.lock", "requirements.lock", "jars.lock")
STAMP = VENV / "setup.stamp"

SCRIPT = """\
#!{python}
import sys

from workbench.cli import main

sys.exit(main())
"""


def fail(message: str, hint: str) -> None:
    """End with one line that names the fix."""
    sys.exit(f"error: {message}: {hint}")


def fingerprint() -> str:
    """Return what the environment depends on: the locks, this file and the folder."""
    digest = hashlib.sha256(f"{ROOT}\0".encode())
    for name in (*LOCKS, Path(__file__).name):
        digest.update((ROOT / name).read_bytes() + b"\0")
    return digest.hexdigest()


def run(*command: str | Path, hint: str, quiet: bool = False) -> None:
    """Run a command; where it fails, end with its last line and `hint`."""
    done = subprocess.run(
        [str(part) for part in command],
        check=False,
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
    )
    if done.returncode:
        said = (done.stdout or "").strip().splitlines()
        fail(f"{Path(command[0]).name} failed{': ' + said[-1] if said else ''}", hint)


def works(python: Path) -> bool:
    """Say whether a Python is there and runs; one that was moved or removed does not."""
    try:
        return not subprocess.run([python, "-c", ""], check=False, capture_output=True).returncode
    except OSError:
        return False


def provide_uv() -> list[str | Path]:
    """Return the command of the pinned uv, installing it where it is not there yet."""
    binary = UV_HOME / "bin" / "uv"
    lock = ROOT / "requirements-bootstrap.lock"
    stamp = UV_HOME / "lock.sha256"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if binary.is_file() and stamp.is_file() and stamp.read_text() == digest:
        return [binary]
    shutil.rmtree(UV_HOME, ignore_errors=True)
    network = "is the package index reachable? (PIP_INDEX_URL names another one)"
    options = [
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary",
        ":all:",
    ]
    options += ["--no-deps", "--require-hashes", "-r", str(lock)]
    try:
        import ensurepip  # noqa: F401 -- Debian's python3 comes without it
    except ImportError:
        if subprocess.run(
            [sys.executable, "-m", "pip", "--version"], check=False, capture_output=True
        ).returncode:
            fail(
                "this Python has neither ensurepip nor pip",
                "install them, on Debian and Ubuntu with `apt install python3-venv`, or name "
                "another Python 3.11 or 3.12 with make PYTHON=/path/to/python setup",
            )
        run(
            *(sys.executable, "-m", "pip", *options),
            *("--target", UV_HOME / "packages"),
            hint=network,
            quiet=True,
        )
        binary.parent.mkdir(parents=True)
        binary.symlink_to(UV_HOME / "packages" / "bin" / "uv")
    else:
        venv.create(UV_HOME, with_pip=True, symlinks=True)
        run(UV_HOME / "bin" / "python", "-m", "pip", *options, hint=network, quiet=True)
    stamp.write_text(digest)
    return [binary]


def install_packages(uv: list[str | Path]) -> None:
    """Bring `.venv` to exactly the lock."""
    python = VENV / "bin" / "python"
    if not works(python):
        venv.create(VENV, with_pip=False, symlinks=True)
    os.environ.setdefault("UV_HTTP_TIMEOUT", "180")
    os.environ.setdefault("UV_COMPILE_BYTECODE_TIMEOUT", "600")
    run(
        *(*uv, "pip", "sync", "--python", python, "--require-hashes"),
        # What builds the few packages that come as source is pinned as well.
        *("--build-constraints", "requirements-bootstrap.lock"),
        # Beam and others take seconds longer to import where they were never compiled.
        "--compile-bytecode",
        "requirements.lock",
        hint="see above; is the package index reachable? (UV_INDEX_URL names another one)",
    )


def link_checkout() -> None:
    """Put the checkout on the environment's path, and the command `workbench` beside `python`.

    What an editable install does, without a build backend to fetch.
    """
    # The environment's own version, which need not be the one that runs this file.
    for packages in (VENV / "lib").glob("python3.*/site-packages"):
        (packages / "workbench.pth").write_text(f"{ROOT}\n")
    script = VENV / "bin" / "workbench"
    script.write_text(SCRIPT.format(python=VENV / "bin" / "python"))
    script.chmod(0o755)


def main() -> None:
    """Do what is not done yet."""
    if not (3, 11) <= sys.version_info[:2] <= (3, 12):
        fail(
            f"Python 3.11 or 3.12 is needed, this is {sys.version.split()[0]}",
            "run make PYTHON=/path/to/python3.12 setup (Flink has no packages for newer ones yet)",
        )
    if STAMP.is_file() and STAMP.read_text() == fingerprint() and works(VENV / "bin" / "python"):
        return
    if VENV.is_dir() and not works(VENV / "bin" / "python"):
        shutil.rmtree(VENV)
    VENV.mkdir(exist_ok=True)
    print("setting up .venv (once; some minutes on a slow line)", file=sys.stderr)
    uv = provide_uv()
    install_packages(uv)
    link_checkout()
    print("fetching the jars of jars.lock", file=sys.stderr)
    run(
        VENV / "bin" / "python",
        "-m",
        "workbench.stack",
        hint="see above, then run again",
    )
    STAMP.write_text(fingerprint())


if __name__ == "__main__":
    main()
