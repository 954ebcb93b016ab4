"""Batch-and-stream market analytics around DuckDB.

>>> import workbench as wb
>>> session = wb.open()                           # doctest: +SKIP
>>> wb.market.top_symbols(session, n=5).df()      # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench import market as market
    from workbench import reports as reports
    from workbench.lake.session import Session as Session
    from workbench.lake.session import open_session as open  # noqa: A004
    from workbench.live_view import live as live
    from workbench.notebook.current import refresh as refresh
    from workbench.notebook.current import session as session
    from workbench.notebook.current import sql as sql
    from workbench.notebook.explorer import explore as explore

__version__ = "0.1.0"
__all__ = [
    "Session",
    "__version__",
    "explore",
    "live",
    "market",
    "open",
    "refresh",
    "reports",
    "session",
    "sql",
]

# Loaded on first use, so that `workbench --help` and `import workbench` stay fast.
_LAZY = {
    "explore": ("workbench.notebook.explorer", "explore"),
    "open": ("workbench.lake.session", "open_session"),
    "Session": ("workbench.lake.session", "Session"),
    "market": ("workbench.market", None),
    "reports": ("workbench.reports", None),
    "live": ("workbench.live_view", "live"),
    "refresh": ("workbench.notebook.current", "refresh"),
    "session": ("workbench.notebook.current", "session"),
    "sql": ("workbench.notebook.current", "sql"),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        from workbench.errors import did_you_mean

        hint = did_you_mean(name, [*__all__])
        raise AttributeError(
            f"module 'workbench' has no attribute {name!r}"
            + (f": {hint}" if hint.startswith("did") else "")
        )
    module, attribute = _LAZY[name]
    loaded = import_module(module)
    return getattr(loaded, attribute) if attribute else loaded


def __dir__() -> list[str]:
    # What is not loaded yet is there as well: for `dir`, and for Tab behind `wb.`.
    return sorted({*globals(), *__all__})


def load_ipython_extension(shell: Any) -> None:
    """Register ``%sql`` and ``%%sql``: what ``%load_ext workbench`` calls."""
    from workbench.notebook.magics import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take the magics away again: what ``%unload_ext workbench`` calls."""
    from workbench.notebook.magics import unload

    unload(shell)
