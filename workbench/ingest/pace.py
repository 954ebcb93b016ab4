"""Event time as a clock: when each record of a file is due at a multiple of real time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_TIMESTAMP = rb'"timestamp_ms"\s*:\s*"?(?P<ms>[0-9]{1,18})(?:[^0-9]|$)'
#: Records on each side that must agree on the time: a single stamp ten years ahead is no clock.
_NEIGHBOURS = 2


def event_times(values: pa.Array) -> NDArray[np.float64]:
    """Return the event time of each record in epoch ms; NaN where it cannot be read.

    Examples
    --------
    >>> event_times(pa.array([b'{"timestamp_ms":5}', b"oops"], pa.binary())).tolist()
    [5.0, nan]
    """
    found = pc.extract_regex(values, _TIMESTAMP)
    text = pc.if_else(found.is_valid(), pc.struct_field(found, [0]), None)
    times = text.cast(pa.string()).cast(pa.int64()).cast(pa.float64(), safe=False)
    return np.asarray(times.to_numpy(zero_copy_only=False), np.float64)


def due_times(times: NDArray[np.float64], before: float) -> NDArray[np.float64]:
    """Return when each record is due on the clock of event time, in epoch ms, never backwards.

    A record that is late or has no readable time goes with its neighbours; so does one whose
    stamp lies far ahead of all around it.

    Parameters
    ----------
    times
        Event times, NaN where unknown.
    before
        Where the clock stands.
    """
    known = times[~np.isnan(times)]
    due = np.full(len(times), before)
    if len(known) > _NEIGHBOURS:
        padded = np.pad(known, _NEIGHBOURS, mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _NEIGHBOURS + 1)
        known = np.median(windows, axis=1)
    due[~np.isnan(times)] = known
    return np.asarray(np.maximum.accumulate(np.maximum(due, before)), np.float64)
