"""When things happen within a session: busy at the open and the close, quiet at noon."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_GRID = np.linspace(0.0, 1.0, 513)


def _inverse(density: NDArray[np.float64]) -> NDArray[np.float64]:
    mass = np.concatenate(([0.0], np.cumsum((density[1:] + density[:-1]) / 2)))
    return np.asarray(mass / mass[-1], np.float64)


# A parabola with its lowest point shortly after noon; coins swing with the hours of the day.
_U_SHAPE = _inverse(0.5 + 4.0 * np.abs(_GRID - 0.55) ** 2.2 + 0.9 * np.exp(-_GRID * 30))
_ROUND_THE_CLOCK = _inverse(1.0 + 0.45 * np.sin(2 * np.pi * (_GRID - 0.37)))


def draw_times(
    random: np.random.Generator, count: int, start_ms: int, end_ms: int, *, crypto: bool
) -> NDArray[np.int64]:
    """Return `count` sorted epoch times in ms within the session, by its usual profile."""
    mass = _ROUND_THE_CLOCK if crypto else _U_SHAPE
    share = np.interp(np.sort(random.random(count)), mass, _GRID)
    times = start_ms + (share * (end_ms - start_ms)).astype(np.int64)
    return np.minimum(times, end_ms - 1)
