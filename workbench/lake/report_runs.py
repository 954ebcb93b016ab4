"""``ops.report_runs``: one row for each kept run of a report, from its report.json."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

#: Where the runs lie in a project: ``reports/NAME/AS_OF/RUN/report.json``.
PLACES = "reports/*/*/*/report.json"
DOC = "Kept runs of reports with their figures, as the session first asked."
#: Its columns; `report_runs` says what they are.
COLUMNS = (
    "run", "name", "title", "as_of", "started_at", "seconds", "verdict", "error", "checks",
    "failed_checks", "freshness", "data_age_s", "figures", "parameters", "snapshots", "code",
    "commit", "tag", "folder",
)  # fmt: skip


def report_runs(project: Path) -> pa.Table:
    """Return the kept runs of a project, the newest first; no rows where there are none.

    Columns ``run``, ``name``, ``title``, ``as_of`` and ``started_at`` (UTC), ``seconds``,
    ``verdict`` (passed, failed, error), ``error``, ``checks``, ``failed_checks``, ``freshness``,
    ``data_age_s``, ``figures`` (list of ``name``, ``value`` as DOUBLE, ``exact`` as text,
    ``unit``), ``parameters`` (JSON), ``snapshots`` (map of table to id), ``code``, ``commit``,
    ``tag``, ``folder``. A report.json that cannot be read is left out.
    """
    import pyarrow as pa

    moment, text = pa.timestamp("us", "UTC"), pa.string()
    figure = pa.struct([("name", text), ("value", pa.float64()), ("exact", text), ("unit", text)])
    schema = pa.schema(
        [
            ("run", text), ("name", text), ("title", text), ("as_of", moment),
            ("started_at", moment), ("seconds", pa.float64()), ("verdict", text), ("error", text),
            ("checks", pa.int64()), ("failed_checks", pa.int64()), ("freshness", text),
            ("data_age_s", pa.float64()), ("figures", pa.list_(figure)), ("parameters", text),
            ("snapshots", pa.map_(text, text)), ("code", text), ("commit", text), ("tag", text),
            ("folder", text),
        ]
    )  # fmt: skip
    rows = []
    for path in project.glob(PLACES):
        try:
            rows.append(_row(json.loads(path.read_text(encoding="utf-8")), path.parent))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    rows.sort(key=lambda row: str(row["run"]), reverse=True)
    return pa.Table.from_pylist(rows, schema=schema)


def _row(told: dict[str, Any], folder: Path) -> dict[str, Any]:
    started, ended = _moment(told["started_at"]), _moment(told.get("finished_at"))
    freshness, code = told.get("freshness", {}), told.get("code", {})
    return {
        "run": str(told["run"]),
        "name": str(told["name"]),
        "title": told["title"],
        "as_of": _moment(told["as_of"]),
        "started_at": started,
        "seconds": (ended - started).total_seconds() if started and ended else None,
        "verdict": told["verdict"],
        "error": told.get("error"),
        "checks": len(told["checks"]),
        "failed_checks": sum(not check["passed"] for check in told["checks"]),
        "freshness": freshness.get("grade"),
        "data_age_s": freshness.get("age_s"),
        "figures": [
            {
                "name": one["name"],
                "value": _number(one["value"]),
                "exact": None if one["value"] is None else str(one["value"]),
                "unit": one["unit"],
            }
            for one in told["figures"]
        ],
        "parameters": json.dumps(told["parameters"]),
        "snapshots": list(told["snapshots"].items()),
        "code": code.get("digest"),
        "commit": code.get("commit"),
        "tag": told.get("tag"),
        "folder": str(folder),
    }


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _number(value: Any) -> float | None:
    try:
        return None if value is None else float(Decimal(str(value)))
    except InvalidOperation:
        return None
