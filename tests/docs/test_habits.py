"""CONTRIBUTING.md and the Makefile: the habits that are told are those there are."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
#: For users, or made of others.
NO_HABITS = {"help", "demo", "ci", "clean"}


def test_every_habit_is_in_the_contribution_guide() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
    told = set(re.findall(r"^\| `make ([a-z-]+)` \|", GUIDE, re.MULTILINE))
    assert told == targets - NO_HABITS


def test_every_target_is_listed_and_is_no_file() -> None:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)", MAKEFILE, re.MULTILINE)
    assert phony and set(phony[1].split()) == targets
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(re.findall(r"^  make ([a-z-]+) ", listed.stdout, re.MULTILINE)) == targets


def test_the_files_for_other_schedulers_are_executed_by_a_target() -> None:
    lines = re.findall(r"-m pytest (tests/\S+) -m (\w+)", MAKEFILE)
    assert ("tests/deploy", "long") in lines
