"""A named figure over past runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from workbench.config import Settings
from workbench.errors import UsageError, did_you_mean, quoted
from workbench.lake.database import PinnedDatabase
from workbench.lake.result import Result
from workbench.lake.table_text import shown
from workbench.reports.parameters import parse_parameters
from workbench.reports.registry import report_named
from workbench.reports.runs import ASIDE, ReportRun, list_runs


def trend(
    settings: Settings,
    name: str,
    figure: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    all_runs: bool = False,
) -> Result:
    """Return one figure of a report over its kept runs of one question.

    A portfolio's worth over the days is that of one account: what differs between two accounts is
    no change. So runs with other parameters than the newest one are left out, as-of and counts of
    messages apart; the caption says how many, and by what they differ.

    Parameters
    ----------
    settings
        The settings in force.
    name
        The report.
    figure
        The name of the figure.
    parameters
        Runs with these parameters instead of those of the newest run, whatever the others are.
    all_runs
        Every run; otherwise the newest of each as-of.

    Returns
    -------
    Result
        Columns ``as_of`` (UTC), ``value`` (double), ``exact`` (text), ``unit``, ``run``,
        ``verdict``, ``started_at`` (UTC) and ``parameters`` (text: those by which the rows differ,
        or None), by as-of. Runs that stopped with an error are left out.

    Raises
    ------
    UsageError
        When no kept run has the figure, or the parameters; names the nearest.
    """
    runs = _with_figure(settings, name, figure)
    asked = _asked(settings, name, parameters or {})
    questions = [_question(run, _defaults(settings, name)) for run in runs]
    wanted = asked or questions[0]
    chosen = [place for place, each in enumerate(questions) if _fits(each, wanted, bool(asked))]
    if not chosen:
        raise _no_such(name, questions, asked)
    apart = _differing([questions[place] for place in chosen])
    text = files("workbench.reports").joinpath("sql/trend.sql").read_text(encoding="utf-8")
    values: dict[str, Any] = {
        "name": name,
        "figure": figure,
        "all_runs": all_runs,
        "runs": [runs[place].id for place in chosen],
        "apart": [_words(questions[place], apart) or None for place in chosen],
    }
    database = PinnedDatabase(settings, {}, read_only=True)
    rows = database.arrow(text, values)
    units = sorted({str(unit) for unit in rows["unit"].to_pylist()})
    return Result(
        database,
        text,
        values,
        units={"value": " or ".join(units)},
        caption=f"{figure} of {name} over its runs{_left_out(questions, wanted, len(chosen))}",
        table=rows,
    )


def _with_figure(settings: Settings, name: str, figure: str) -> list[ReportRun]:
    """The runs that came to their end and have the figure, the newest first."""
    every = list_runs(settings, name)
    if not every:
        raise UsageError(f"report {quoted(name)} has no runs", hint="`workbench report list`")
    runs = [run for run in every if run.summary.get("verdict") != "error"]
    names = [[one["name"] for one in run.summary.get("figures", [])] for run in runs]
    found = [run for run, has in zip(runs, names, strict=True) if figure in has]
    if not found:
        known = dict.fromkeys(each for has in names for each in has)
        raise UsageError(
            f"no run of {name} has a figure {quoted(figure)}", hint=did_you_mean(figure, [*known])
        )
    return found


def _asked(settings: Settings, name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as a run keeps them: text is typed first."""
    if not parameters:
        return {}
    typed = parse_parameters(report_named(settings, name), parameters).model_dump(mode="json")
    if aside := ASIDE & set(parameters):
        raise UsageError(
            f"{min(aside)} tells no series from another", hint="it may differ from run to run"
        )
    return {each: typed[each] for each in parameters}


def _defaults(settings: Settings, name: str) -> dict[str, Any]:
    """What a run had where it is older than a parameter; nothing where the report is gone."""
    try:
        return report_named(settings, name).parameters().model_dump(mode="json")
    except UsageError:
        return {}


def _question(run: ReportRun, defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in defaults.items() if name not in ASIDE} | run.question


def _fits(question: Mapping[str, Any], wanted: Mapping[str, Any], some: bool) -> bool:
    """Whether a question has what is wanted; and nothing else, where that is a whole one."""
    if not some:
        return question == wanted
    return all(name in question and question[name] == value for name, value in wanted.items())


def _differing(questions: Sequence[Mapping[str, Any]]) -> list[str]:
    names = dict.fromkeys(name for each in questions for name in each)
    return [name for name in names if len({json.dumps(q.get(name)) for q in questions}) > 1]


def _words(question: Mapping[str, Any], names: Sequence[str]) -> str:
    """Parameters in words, as the header of a page has them."""
    return "; ".join(f"{name} = {_value(question.get(name))}" for name in names)


def _value(value: Any) -> str:
    return "none" if value is None else shown(value)


def _left_out(questions: Sequence[Mapping[str, Any]], wanted: Mapping[str, Any], kept: int) -> str:
    left = len(questions) - kept
    if not left:
        return ""
    names = [name for name in _differing(questions) if name in wanted]
    runs = "1 run" if left == 1 else f"{left} runs"
    return f", {_words(wanted, names)}; {runs} with other parameters left out"


def _no_such(
    name: str, questions: Sequence[Mapping[str, Any]], asked: Mapping[str, Any]
) -> UsageError:
    for parameter, value in asked.items():
        known = list(dict.fromkeys(_value(each.get(parameter)) for each in questions))
        if _value(value) not in known:
            return UsageError(
                f"no run of {name} with {_words(asked, [parameter])} has the figure",
                hint=did_you_mean(_value(value), known),
            )
    return UsageError(
        f"no run of {name} with {_words(asked, [*asked])} has the figure",
        hint="`workbench report list`",
    )
