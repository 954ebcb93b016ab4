"""Small sums: medians, percentiles, places on a curve."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from statistics import median

Curve = Sequence[tuple[float, float]]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of all values does not exceed.

    Examples
    --------
    >>> percentile([5, 1, 3, 2, 4], 0.5), percentile([5, 1, 3, 2, 4], 0.99)
    (3, 5)
    """
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * round(share * 1_000_000) // 1_000_000))
    return ordered[min(rank, len(ordered)) - 1]


def middle(values: Sequence[float]) -> dict[str, float]:
    """Return median, smallest and largest.

    Examples
    --------
    >>> middle([3.0, 1.0, 2.0])
    {'median': 2.0, 'min': 1.0, 'max': 3.0}
    """
    return {"median": median(values), "min": min(values), "max": max(values)}


def at(curve: Curve, x: float) -> float:
    """Return the height of a curve of (x, y) points at `x`, straight between points, flat outside.

    Examples
    --------
    >>> at([(0, 0), (10, 100)], 2.5), at([(0, 0), (10, 100)], 99)
    (25.0, 100)
    """
    place = bisect_left(curve, (x,))
    if place == 0:
        return curve[0][1]
    if place == len(curve):
        return curve[-1][1]
    (x0, y0), (x1, y1) = curve[place - 1], curve[place]
    return y1 if x1 == x0 else y0 + (y1 - y0) * (x - x0) / (x1 - x0)


def ratio(one: float | None, other: float | None) -> float | None:
    """Return one over the other; None where either is missing or nothing.

    Examples
    --------
    >>> ratio(9.0, 10.0), ratio(None, 10.0), ratio(1.0, 0.0)
    (0.9, None, None)
    """
    return None if one is None or not other else one / other
