"""The object a report notebook talks to: figures, checks, tables and the header."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from workbench.lake.result import Result
from workbench.lake.table_text import shown
from workbench.lake.times import Moment, parse_moment, show_moment
from workbench.reports.checks import Check, Figure, Value, tolerance_of
from workbench.reports.code import imported
from workbench.reports.context import context_of_run
from workbench.reports.tables import Column, NamedTable, Rows, as_html, as_text

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from workbench.lake.session import Session

#: What the runner reads the figures and checks from: an output of the notebook itself.
MIME = "application/vnd.workbench.report+json"
_HEADER = "workbench-report-header"


class Report:
    """What a notebook says, recorded so that it can be checked, listed and compared.

    Parameters
    ----------
    title
        Title of the report.
    session
        The pinned session it reads.
    as_of
        The moment of event time it is about; the newest event of `table` when None.
    table
        The table that the report goes by.

    Examples
    --------
    >>> report = Report("Market day", session)                           # doctest: +SKIP
    >>> report.check("volume", volume, other=second.volume)              # doctest: +SKIP
    """

    def __init__(
        self,
        title: str,
        session: Session,
        as_of: Moment | None = None,
        *,
        table: str = "market.trades",
    ) -> None:
        self.title = title
        self.session = session
        moment = parse_moment(as_of) if as_of is not None else None
        self._table = table
        #: The moment of event time the report is about; None where the table is empty.
        self.as_of: datetime | None = moment or session.newest_event(table)
        self.figures: list[Figure] = []
        self.checks: list[Check] = []
        self.tables: list[NamedTable] = []
        self._freshness = context_of_run().get("freshness")
        self._chosen: dict[str, Any] = context_of_run().get("chosen", {})
        self._drawn: dict[str, int] = {}

    # ------------------------------------------------------------ what it stands for

    def figure(self, name: str, value: Value, unit: str = "") -> Value:
        """Record a named number and return it.

        Raises
        ------
        ValueError
            When the name is taken: figures are compared by name between runs.
        """
        if any(figure.name == name for figure in self.figures):
            raise ValueError(f"figure {name!r} is recorded already")
        self.figures.append(Figure(name, value, unit))
        return value

    def check(
        self,
        name: str,
        value: Value,
        *,
        other: Value,
        unit: str = "",
        source: str = "",
        rel: float | None = None,
        abs_: float | None = None,
        exact: bool | None = None,
    ) -> None:
        """Compare a number with the same number computed a second way; record and show it.

        A check that does not hold fails the report when it is finished, not here: the reader
        should see the rest.

        Parameters
        ----------
        name
            What is checked.
        value, other
            The number of the report, and the one of the second path.
        unit
            Unit of both.
        source
            What the second path is, in a few words.
        rel, abs_, exact
            The tolerance: relative to the larger of both, absolute, or none (the default).
        """
        kind, limit = tolerance_of(rel, abs_, exact)
        check = Check(name, value, other, unit, kind, limit, source)
        self.checks.append(check)
        words = check.in_words()
        mark, css = ("✔", "passed") if check.passed else ("✘", "failed")
        text = f"{mark} {words}"
        _show(text, f'<p class="check {css}">{escape(text)}</p>')

    # ------------------------------------------------------------ what it shows

    def table(
        self,
        caption: str,
        rows: Result | pa.Table | Rows,
        columns: Sequence[Column],
        *,
        name: str | None = None,
        key: Sequence[str] = (),
    ) -> None:
        """Show rows as a table with these columns, the same as text and as HTML; record them.

        Parameters
        ----------
        caption
            What the rows are.
        rows
            The rows.
        columns
            The columns shown, in this order.
        name
            Name by which two runs of the report are compared; the caption when left out.
        key
            Columns that tell one row from another in a comparison; the leading columns without
            numbers when left out.

        Raises
        ------
        ValueError
            When the name is taken.
        """
        if isinstance(rows, Result):
            rows = rows.arrow()
        listed = rows.to_pylist() if isinstance(rows, pa.Table) else list(rows)
        taken = [table.name for table in self.tables]
        if name in taken:
            raise ValueError(f"table {name!r} is recorded already")
        number = sum(each == caption or each.startswith(f"{caption} (") for each in taken) + 1
        called = name or (caption if number == 1 else f"{caption} ({number})")
        self.tables.append(NamedTable(called, tuple(columns), listed, tuple(key)))
        self._show_table(caption, listed, columns)

    def sources(self, caption: str = "Pinned tables") -> None:
        """Show every pinned table: snapshot, rows, and the Flink job and checkpoint behind it."""
        from workbench.lake.lineage import lineage_of

        told = {row["table"]: row for row in self.session.tables().arrow().to_pylist()}
        rows = []
        for table, pin in self.session.pins.items():
            written = [] if pin.broken else lineage_of(pin, self.session.settings).writers
            by = [f"{w.job or w.job_id} @ checkpoint {w.checkpoint}" for w in written]
            rows.append({**told[table], "written_by": ", ".join(by) or None})
        columns = [
            Column("table", "table"),
            Column("rows", "rows", digits=0),
            Column("snapshot", "snapshot"),
            Column("committed_at", "committed, UTC"),
            Column("newest_event", "newest event, UTC"),
            Column("written_by", "written by Flink's"),
        ]
        self._show_table(caption, rows, columns)

    def _show_table(self, caption: str, rows: Rows, columns: Sequence[Column]) -> None:
        _show(f"{caption}\n{as_text(columns, rows)}", as_html(columns, rows, caption))

    def figures_table(self, caption: str, names: Sequence[str] = ()) -> None:
        """Show the recorded figures, or those of these names, in the order of recording."""
        rows = [
            {"name": f.name, "value": f.value, "unit": f.unit}
            for f in self.figures
            if not names or f.name in names
        ]
        columns = [
            Column("name", "figure"),
            Column("value", "value", exact=True),
            Column("unit", "unit"),
        ]
        self._show_table(caption, rows, columns)

    def plot(self, figure: go.Figure) -> None:
        """Show a figure of `workbench.figures`, with its text and the table of its rows.

        A second figure of one kind gets an id of its own: the name with a number.
        """
        from workbench.figures.shown import figure_html, plotly_bundle

        name = figure.layout.meta["id"]
        self._drawn[name] = number = self._drawn.get(name, 0) + 1
        div_id = name if number == 1 else f"{name}-{number}"
        # JupyterLab draws the bundle; the HTML page has plotly.js and uses the other.
        _display(
            {
                "text/plain": figure.layout.meta["alt"],
                "text/html": figure_html(figure, div_id),
                **plotly_bundle(figure),
            }
        )

    def header(self) -> None:
        """Show title, as-of, freshness and, once the report is finished, the verdict.

        In a run also the parameters that are not the defaults.
        """
        _show(*self._header("running"), display_id=_HEADER)

    def finish(self) -> None:
        """Put the verdict into the header and hand everything to the runner."""
        failed = [check for check in self.checks if not check.passed]
        if failed:
            verdict = f"{len(failed)} of {len(self.checks)} checks FAILED"
        else:
            verdict = f"all {len(self.checks)} checks passed" if self.checks else "nothing checked"
        state = "failed" if failed or not self.checks else "passed"
        _show(*self._header(state, verdict), display_id=_HEADER, update=True)
        payload: dict[str, Any] = {
            "title": self.title,
            "as_of": self.as_of.isoformat() if self.as_of else None,
            "figures": [figure.as_json() for figure in self.figures],
            "checks": [check.as_json() for check in self.checks],
            "tables": [table.as_json() for table in self.tables],
            "verdict": state,
        }
        run = context_of_run()
        if run:
            # Not in the stored outputs of a notebook, which are the same on every machine.
            payload["run"] = {
                "id": run.get("run"),
                "read": sorted(self.session.read),
                "modules": imported(self.session.settings.project),
                "query_s": round(self.session.query_s, 3),
            }
        _display({MIME: payload, "text/plain": verdict})

    def _newest_event(self) -> datetime | None:
        """The one that the grade rests on; what came after the as-of does not count."""
        if self._freshness is None:
            return self.session.newest_event(self._table, self.as_of)
        newest = self._freshness["newest_event"]
        return parse_moment(newest) if newest else None

    def _header(self, state: str, verdict: str = "not finished") -> tuple[str, str]:
        committed = self.session.tables().pl()["committed_at"].max()
        assert committed is None or isinstance(committed, datetime)
        lines = {
            "events up to": show_moment(self.as_of) if self.as_of else "no data",
            "newest event": _moment(self._newest_event()),
            "commits up to": _moment(committed),
            "freshness": self._freshness["words"] if self._freshness else "not graded",
            "verdict": verdict,
        }
        if self._chosen:
            lines["parameters"] = "; ".join(
                f"{name} = {shown(', '.join(map(str, v)) if isinstance(v, list) else v)}"
                for name, v in self._chosen.items()
            )
        mark = {"passed": "✔ ", "failed": "✘ "}.get(state, "")
        lines["verdict"] = mark + lines["verdict"]
        text = "\n".join([self.title, *(f"{name}: {value}" for name, value in lines.items())])
        grade = self._freshness["grade"] if self._freshness else ""
        cells = "".join(
            f"<div{f' class={grade}' if name == 'freshness' and grade else ''}>"
            f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
            for name, value in lines.items()
        )
        return text, f'<dl class="report-header {state}">{cells}</dl>'


def _moment(value: datetime | None) -> str:
    return show_moment(value.replace(microsecond=0)) if value else "none"


def _show(text: str, html: str, display_id: str | None = None, update: bool = False) -> None:
    _display({"text/plain": text, "text/html": html}, display_id=display_id, update=update)


def _display(bundle: dict[str, Any], display_id: str | None = None, update: bool = False) -> None:
    from IPython.display import display

    options: dict[str, Any] = {"display_id": display_id, "update": update} if display_id else {}
    display(bundle, raw=True, **options)  # type: ignore[no-untyped-call]
