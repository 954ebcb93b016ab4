"""How fast the machine itself is at the moment: a fixed amount of work, in CPU seconds.

Cores that are shared with other guests run at half of their speed at times, and no load average
shows it. Results say their pace, so that runs of different days can be told apart from different
code.
"""

from __future__ import annotations

import time

_ADDITIONS = 5_000_000


def pace() -> float:
    """Return the CPU seconds of five million additions in Python: the fastest of three times.

    Examples
    --------
    >>> 0 < pace() < 60
    True
    """
    return min(_once() for _ in range(3))


def _once() -> float:
    start = time.process_time()
    total = 0
    for number in range(_ADDITIONS):
        total += number
    return time.process_time() - start
