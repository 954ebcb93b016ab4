"""What the pictures of docs/reference/figures/README.md show, as a digest of each figure beside it.

A picture cannot be compared (fonts and browsers differ), the figure it was taken of can: where
the code draws something else than the picture shows, a test says so.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import plotly.graph_objects as go

DIGESTS = Path(__file__).parent / "figures.json"


def digest(figure: go.Figure) -> str:
    """Return the SHA-256 of a figure's JSON, without its id, which is new every time."""
    made = json.loads(figure.to_json())
    made["layout"].get("meta", {}).pop("id", None)
    return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()


def read_digests() -> dict[str, str]:
    """Return the digests of the figures that the pictures were taken of, by the picture's name."""
    kept: dict[str, str] = json.loads(DIGESTS.read_text(encoding="utf-8"))
    return kept


def write_digests(digests: Mapping[str, str]) -> None:
    """Keep the digests of pictures that were taken anew; those of the others stay."""
    kept = (read_digests() if DIGESTS.is_file() else {}) | dict(digests)
    DIGESTS.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", encoding="utf-8")
