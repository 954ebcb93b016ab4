"""What a reader met on its way that became no message."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Counts of what was read and not passed on, by kind: nothing is dropped in silence.

    Attributes
    ----------
    rows
        Messages passed on.
    empty
        Empty lines.
    broken
        Lines of a capture that could not be read, by reason.
    unknown
        Messages of a capture of a kind that has no topic here, by kind.
    depth
        Depth messages that gave no snapshot, by reason.
    """

    rows: int = 0
    empty: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    depth: Counter[str] = field(default_factory=Counter)

    def lines(self) -> list[str]:
        """Return what there is to say, one line per kind; nothing when nothing was left out.

        Examples
        --------
        >>> Tally(empty=2).lines()
        ['empty lines: 2']
        """
        said = [f"empty lines: {self.empty:,}"] if self.empty else []
        for title, counts in (
            ("broken lines", self.broken),
            ("messages without a topic here", self.unknown),
            ("depth messages without a snapshot", self.depth),
        ):
            said += [f"{title}, {kind}: {count:,}" for kind, count in sorted(counts.items())]
        return said

    def as_dict(self) -> dict[str, object]:
        """Return the counts as plain values for JSON."""
        return {
            "rows": self.rows,
            "empty": self.empty,
            "broken": dict(sorted(self.broken.items())),
            "unknown": dict(sorted(self.unknown.items())),
            "depth": dict(sorted(self.depth.items())),
        }
