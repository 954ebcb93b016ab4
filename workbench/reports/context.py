"""What a run tells the notebook that it executes: through the kernel's environment."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from workbench.config import REPORT_VARIABLE


def handed_over(context: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment variable that hands this over."""
    return {REPORT_VARIABLE: json.dumps(dict(context))}


def context_of_run() -> dict[str, Any]:
    """Return what the run that executes this notebook has said; empty outside of a run.

    Examples
    --------
    >>> context_of_run()
    {}
    """
    try:
        found = json.loads(os.environ.get(REPORT_VARIABLE, "{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
