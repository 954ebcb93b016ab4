"""The session that magics and `workbench.sql` ask: one for the notebook, pinned on first use."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from typing import TypeAlias

from workbench.errors import UsageError
from workbench.lake.database import Parameters
from workbench.lake.result import Result
from workbench.lake.session import Session, open_session
from workbench.lake.times import Moment, parse_moment

#: Sessions on other moments that are kept for the next question.
KEPT = 4
_lock = threading.RLock()
_current: Session | None = None
#: Snapshots of tables as what is asked for the same way is found by.
_Chosen: TypeAlias = tuple[tuple[str, str | None], ...]
_others: OrderedDict[tuple[datetime | None, _Chosen], Session] = OrderedDict()


def session(use: Session | None = None) -> Session:
    """Return the session that the magics and `workbench.sql` ask; opened on first use.

    Parameters
    ----------
    use
        Ask this session from now on, for example one that was opened with ``as_of``.

    Raises
    ------
    LakeError
        When there is no lake.

    Examples
    --------
    >>> import workbench as wb
    >>> wb.session()                                                    # doctest: +SKIP
    <Session on 'lake', 4 of 9 tables with data, as of 2024-08-09 23:54:24 UTC>
    >>> wb.session(wb.open(as_of="2024-08-08"))                         # doctest: +SKIP
    <Session on 'lake', 4 of 9 tables with data, as of 2024-08-08 23:59:59.999999 UTC>
    """
    global _current  # noqa: PLW0603  (the notebook has one, as it has one namespace)
    with _lock:
        if use is not None:
            if not isinstance(use, Session):
                raise UsageError(
                    f"a session is needed, got {type(use).__name__}", hint="wb.session(wb.open())"
                )
            _current = use
            _others.clear()
        elif _current is None or _current.closed:
            _current = open_session()
            _others.clear()
        return _current


def session_at(
    as_of: Moment | None = None, snapshots: Mapping[str, str | None] | None = None
) -> Session:
    """Return the notebook's session, or one of the same lake pinned at another moment.

    The last few are kept, so that asking of the same moment again costs nothing.

    Parameters
    ----------
    as_of
        The snapshots committed up to then; a date means its end, UTC.
    snapshots
        Snapshot ids by table, which win over `as_of`; None pins the table as empty.
    """
    base = session()
    if as_of is None and not snapshots:
        return base
    moment = parse_moment(as_of) if as_of is not None else None
    with _lock:
        key = (moment, tuple(sorted((snapshots or {}).items())))
        found = _others.pop(key, None)
        if found is None or found.closed:
            # What is not asked for stays as the notebook sees it.
            pins = {} if moment else dict(base.snapshots)
            pins |= snapshots or {}
            found = open_session(base.settings, as_of=moment, snapshots=pins)
        _others[key] = found
        # Not closed: answers that were not read yet still need theirs.
        while len(_others) > KEPT:
            _others.popitem(last=False)
        return found


def sql(
    query: str,
    params: Parameters = None,
    *,
    as_of: Moment | None = None,
    snapshots: Mapping[str, str | None] | None = None,
    timeout_s: float | None = None,
) -> Result:
    """Ask in DuckDB SQL; what ``%sql`` and ``%%sql`` do.

    Parameters
    ----------
    query
        One statement. ``wb.session().tables()`` lists the tables.
    params
        Values for ``?`` (a list) or ``$name`` (a mapping); they are bound, never pasted.
    as_of
        Read the snapshots committed up to then; the notebook's own when None. A date means its
        end, UTC.
    snapshots
        Snapshot ids (text) by table, for example those of an earlier result; they win over
        `as_of`, other tables stay as they are. None as an id reads the table as empty.
    timeout_s
        Seconds it may take; no limit when None.

    Returns
    -------
    Result
        Lazy; see `workbench.lake.session.Session.sql`, also for the errors.

    Examples
    --------
    >>> import workbench as wb
    >>> wb.sql("SELECT count(*) FROM market.trades WHERE symbol = $symbol",
    ...        {"symbol": "AAPL"})                                      # doctest: +SKIP
    >>> wb.sql("SELECT count(*) FROM market.trades",
    ...        snapshots={"market.trades": "8600897673341843302"})      # doctest: +SKIP
    """
    return session_at(as_of, snapshots).sql(query, params, timeout_s=timeout_s)


def refresh() -> Session:
    """Pin the newest snapshots; answers made before keep theirs.

    Examples
    --------
    >>> import workbench as wb
    >>> wb.refresh()                                                    # doctest: +SKIP
    <Session on 'lake', 4 of 9 tables with data, as of 2024-08-09 23:59:24 UTC>
    """
    with _lock:
        _others.clear()
        return session().refresh()
