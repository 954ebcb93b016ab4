"""Fetch all jars of the lock: ``python -m workbench.stack``, a part of ``make setup``."""

from __future__ import annotations

import sys

from workbench.errors import WorkbenchError
from workbench.stack.jars import ensure_jars

if __name__ == "__main__":
    try:
        ensure_jars("flink", "kafka", "build", progress=lambda line: print(line, file=sys.stderr))
    except WorkbenchError as error:
        sys.exit(f"error: {error}")
