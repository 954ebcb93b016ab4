"""Ends what an interrupted ``up`` started, even if ``up`` itself was killed without a warning.

`up` starts this process first and writes to its standard input: a process id per line for
each part it starts, at the end the word ``done``. When the input ends without that word, `up` is
dead and the parts named so far are ended. The lock of the folder is inherited, so that the next
`up` waits until the cleaning is over.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import psutil


class Guard:
    """The writing end."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def watch(self, process: psutil.Process) -> None:
        """Have `process` ended if we die before `up` is through."""
        self._stream.write(f"{process.pid} {process.create_time()}\n".encode())
        self._stream.flush()


@contextmanager
def guarded(lock: int) -> Iterator[Guard]:
    """Run a guard for the block; an exception inside is the block's own to clean up after.

    Parameters
    ----------
    lock
        The open file descriptor that holds the folder's lock.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench.stack.guard"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(lock,),
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    assert process.stdin is not None
    try:
        yield Guard(process.stdin)
    finally:
        try:
            process.stdin.write(b"done\n")
            process.stdin.close()
        except BrokenPipeError:
            pass
        process.wait(timeout=30)


def main(lines: IO[str]) -> None:
    """The reading end."""
    from workbench.stack.processes import end

    started: dict[int, float] = {}
    for line in lines:
        if line == "done\n":
            return
        pid, _, created = line.partition(" ")
        started[int(pid)] = float(created)
    processes = []
    for pid_, created_ in started.items():
        try:
            process = psutil.Process(pid_)
            if process.create_time() == created_:
                processes.append(process)
        except psutil.Error:
            continue
    end(processes, patience=5)


if __name__ == "__main__":
    main(sys.stdin)
