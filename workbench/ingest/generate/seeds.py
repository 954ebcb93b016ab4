"""One random stream per purpose, day and name, so that any day can be made alone."""

from __future__ import annotations

from zlib import crc32

import numpy as np


def stream(seed: int, purpose: str, name: str = "", day: int = 0) -> np.random.Generator:
    """Return the generator of random numbers of one purpose.

    Parameters
    ----------
    seed
        The user's seed, not negative.
    purpose, name
        What the numbers are for; a symbol or a sector.
    day
        Ordinal of the date; 0 where the numbers are not of one day.
    """
    entropy = [seed, crc32(purpose.encode()), crc32(name.encode()), day]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))
