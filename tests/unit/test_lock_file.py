"""A lock says who has it, and goes with whoever had it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from workbench.lock_file import Locked, take

WORDS = "process {pid}, `{what}` since {since}"


def test_the_second_is_told_who_has_it(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    held = take(file, what="compact")
    with pytest.raises(Locked) as busy:
        take(file, what="expire")
    assert busy.value.in_words(WORDS).startswith(f"process {os.getpid()}, `compact` since 20")
    os.close(held)
    os.close(take(file))


@pytest.mark.parametrize("text", ["", "{", "[1]", "{}"])
def test_who_has_not_said_it_yet_has_just_begun(tmp_path: Path, text: str) -> None:
    file = tmp_path / "lock"
    held = take(file)
    file.write_text(text)
    with pytest.raises(Locked) as busy:
        take(file)
    assert busy.value.in_words(WORDS) == "a process that has just begun"
    os.close(held)


def test_one_can_wait(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    held = take(file)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(take, file, wait=True)
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.3)
        os.close(held)
        os.close(waiting.result(timeout=30))


def test_a_lock_that_cannot_be_made_is_no_lock(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        take(tmp_path / "nowhere" / "lock")
