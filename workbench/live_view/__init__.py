"""A view of a running stream in a notebook: `workbench.live`.

The parts: `kinds` (what is followed and how it is drawn), `window` (what is remembered), `state`
and `pace` (pure), `source` and `feed` (Kafka, on a thread), `view` (the widget).
"""

from __future__ import annotations

from workbench.live_view.show import live

__all__ = ["live"]
