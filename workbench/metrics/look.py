"""What `workbench status` showed last, so that the next look says what came since."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from workbench.config import Settings
from workbench.errors import StackError
from workbench.stack.files import write_atomic

FILE = "status.json"


@dataclass(frozen=True)
class Look:
    """When somebody looked, and the totals then."""

    at: datetime
    totals: dict[str, int | None]


def last_look(settings: Settings) -> Look | None:
    """Return the last look; None where there was none, or its file cannot be read."""
    try:
        known = json.loads((settings.stack_folder / FILE).read_text("utf-8"))
        totals = {str(what): int(total) for what, total in known["totals"].items()}
        return Look(datetime.fromisoformat(known["at"]), dict(totals))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def keep_look(settings: Settings, look: Look) -> None:
    """Keep a look for the next; nothing is made where no stack has ever been."""
    totals = {what: total for what, total in look.totals.items() if total is not None}
    if not totals or not settings.stack_folder.is_dir():
        # A look that saw nothing is none.
        return
    text = json.dumps({"at": look.at.isoformat(), "totals": totals})
    try:
        write_atomic(settings.stack_folder / FILE, text)
    except (OSError, StackError):
        # A status that cannot be kept is still one that was seen.
        return
