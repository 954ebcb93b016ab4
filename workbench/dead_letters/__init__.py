"""Dead letters: see why a record was refused, mend it, send it again; what was sent is marked."""

from workbench.dead_letters.export import export, read_values
from workbench.dead_letters.ids import LetterId
from workbench.dead_letters.letters import Letter, Selection, count_by_reason, find
from workbench.dead_letters.plan import Plan, make_plan
from workbench.dead_letters.replay import Replayed, replay
from workbench.dead_letters.show import describe

__all__ = [
    "Letter",
    "LetterId",
    "Plan",
    "Replayed",
    "Selection",
    "count_by_reason",
    "describe",
    "export",
    "find",
    "make_plan",
    "read_values",
    "replay",
]
