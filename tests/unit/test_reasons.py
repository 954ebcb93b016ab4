"""The reasons of dead letters are listed once; what says more about them says it about each."""

from __future__ import annotations

import re
from pathlib import Path

from workbench.contracts import JOBS, reader
from workbench.contracts.reasons import REASONS

LISTED = sorted((why, topic) for topic, reasons in REASONS.items() for why in reasons)


def test_the_rules_of_a_reader_are_these_reasons():
    table = re.findall(r"^([a-z0-9-]+) +(dlq\.[a-z.-]+) ", reader.__doc__ or "", re.MULTILINE)
    assert sorted(table) == LISTED


def test_the_guide_says_of_each_what_to_look_at():
    guide = (Path(__file__).parents[2] / "docs/guide.md").read_text("utf-8")
    explained = re.findall(r"^\| `([a-z0-9-]+)` \| [^|]+ \|$", guide, re.MULTILINE)
    assert {why for why, _ in LISTED} <= set(explained)


def test_every_dead_letter_topic_has_reasons():
    written = {topic for job in JOBS for topic in job.topics if topic.startswith("dlq.")}
    assert written == set(REASONS)
