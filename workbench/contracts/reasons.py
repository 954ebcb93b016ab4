"""Why a record is refused: every ``error_type``, by the dead-letter topic that it goes to.

What each means is in `workbench.contracts.reader`.
"""

from __future__ import annotations

from workbench.contracts.records import RULE_ERRORS
from workbench.contracts.topics import DESERIALIZATION, PROCESSING_ERRORS, UNROUTABLE

#: Reasons of what could not be read.
READ_ERRORS = (
    "tombstone",
    "too-large",
    "invalid-utf8",
    "invalid-json",
    "not-an-object",
    "repeated-field",
    "missing-field",
    "wrong-type",
)
#: Reasons of valid trade events that have no topic to go to.
STATUS_ERRORS = ("missing-status", "unknown-status")
REASONS: dict[str, tuple[str, ...]] = {
    DESERIALIZATION: READ_ERRORS,
    PROCESSING_ERRORS: RULE_ERRORS,
    UNROUTABLE: STATUS_ERRORS,
}
