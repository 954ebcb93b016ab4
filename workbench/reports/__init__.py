"""Notebooks as validated reports: pinned data, typed parameters, every headline number checked."""

from __future__ import annotations

from workbench.reports.report import Report
from workbench.reports.tables import Column

__all__ = ["Column", "Report"]
