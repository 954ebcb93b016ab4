"""The reports there are, and the typed parameters of each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from workbench.errors import UsageError, did_you_mean, quoted
from workbench.lake.times import from_micros, parse_moment, show_moment
from workbench.reports.freshness import FreshnessLimits
from workbench.reports.known_values import InLake


def _moment(value: Any) -> Any:
    return parse_moment(value) if isinstance(value, str | date) else value


def _within(value: datetime) -> datetime:
    # To the end of tomorrow: a date means its end, and somewhere it is tomorrow already.
    earliest = from_micros(0)
    latest = parse_moment(datetime.now(UTC).date() + timedelta(days=1))
    if not earliest <= value <= latest:
        side = "after tomorrow" if value > latest else "before 1970"
        raise UsageError(
            f"as_of is {side}: {show_moment(value)}",
            hint=f"for example {datetime.now(UTC):%Y-%m-%d}, or an earlier day",
        )
    return value


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _words(value: Any) -> Any:
    return None if value in ("", "none", "None") else value


#: A moment of event time, as text or as a time; a date means its end, UTC.
When = Annotated[datetime, BeforeValidator(_moment)]
#: A moment that a report can be about; at the edge of the calendar there is no day to it.
AsOf = Annotated[When, AfterValidator(_within)]
Name = Annotated[Annotated[str, Field(max_length=200)] | None, BeforeValidator(_words)]
#: Names that the pinned tables have to know.
Symbol = Annotated[Name, InLake("symbol")]
Book = Annotated[Name, InLake("book")]
Account = Annotated[Name, InLake("account")]
Sector = Annotated[Name, InLake("sector")]

#: Only what the accounting asks for: a count of a topic misspelt would be checked by nobody.
Counts = Annotated[
    dict[Literal["raw.trades", "raw.orderbook"], Annotated[int, Field(ge=0)]] | None,
    BeforeValidator(_json),
    Field(description='Messages per topic, counted in Kafka, as JSON: {"raw.trades": 50000}.'),
]


class ReportParameters(BaseModel, extra="forbid", frozen=True):
    """What every report takes."""

    as_of: AsOf | None = Field(
        default=None, description="Moment of event time; the newest trade when left out."
    )


class MarketDayParameters(ReportParameters, frozen=True):
    """What market_day takes."""

    top: int = Field(default=10, ge=1, le=50, description="Symbols in the ranking.")
    symbol: Symbol = Field(default=None, description="Symbol drawn; the largest when left out.")
    account_id: Account = Field(
        default=None, description="Account shown; the one that traded most when left out."
    )
    raw_counts: Counts = None


class OrderbookLiquidityParameters(ReportParameters, frozen=True):
    """What orderbook_liquidity takes."""

    as_of: AsOf | None = Field(
        default=None, description="Moment of event time; the newest order book when left out."
    )
    top: int = Field(default=10, ge=1, le=50, description="Symbols listed.")
    symbol: Book = Field(
        default=None, description="Symbol shown; the one with the most snapshots when left out."
    )
    minutes: int = Field(default=30, ge=1, le=1440, description="Length of a bucket of the day.")
    book_count: int | None = Field(
        default=None, ge=0, description="Messages of raw.orderbook, counted in Kafka."
    )


class DataQualityParameters(ReportParameters, frozen=True):
    """What data_quality takes."""

    gap_minutes: int = Field(default=60, ge=1, le=1440, description="Least gap that is listed.")
    top: int = Field(default=10, ge=1, le=500, description="Rows of each list.")
    raw_counts: Counts = None


class PortfolioParameters(ReportParameters, frozen=True):
    """What portfolio takes."""

    account_id: Account = Field(
        default=None, description="Account; the one that traded most in these days when left out."
    )
    days: int = Field(default=30, ge=1, le=366, description="Days of history.")
    every: Literal["15m", "1h", "1d"] = Field(
        default="1d", description="Length of an interval of the history."
    )


class SectorsParameters(ReportParameters, frozen=True):
    """What sectors takes."""

    hours: float = Field(
        default=24, gt=0, le=24 * 366, description="Length of the window that ends at as_of."
    )
    sector: Sector = Field(
        default=None, description="Sector shown in detail; the most traded when left out."
    )
    top: int = Field(default=15, ge=1, le=500, description="Symbols listed of it.")


class VolumeAnomaliesParameters(ReportParameters, frozen=True):
    """What volume_anomalies takes."""

    days: int = Field(default=30, ge=5, le=366, description="Calendar days of history.")
    threshold: float = Field(
        default=3, gt=0, le=100, description="Z-score from which a volume is unusual."
    )
    top: int = Field(default=10, ge=1, le=30, description="Symbols listed.")
    symbol: Symbol = Field(
        default=None, description="Symbol shown through the day; the most unusual when left out."
    )
    bucket: Literal["1m", "5m", "15m"] = Field(
        default="15m", description="Length of a bucket of the day."
    )


@dataclass(frozen=True)
class ReportSpec:
    """One report: a notebook and what it takes.

    Parameters
    ----------
    name
        Its name: the notebook is ``notebooks/NAME.ipynb``.
    title
        Title of its page.
    parameters
        The typed model of what it takes.
    freshness
        From when on its data is old, where that differs from the settings.
    notebook
        The notebook, where a project has registered it; a shipped one is looked for.
    table
        The table that the report goes by: its newest event is the as-of where none is asked for,
        and says how old the data is where `freshness` names none.
    """

    name: str
    title: str
    parameters: type[ReportParameters]
    freshness: FreshnessLimits | None = None
    notebook: Path | None = None
    table: str = "market.trades"


#: The reports that ship. A project's own are found by `workbench.reports.registry`.
REPORTS: tuple[ReportSpec, ...] = (
    ReportSpec("market_day", "Market day", MarketDayParameters),
    ReportSpec("portfolio", "Portfolio", PortfolioParameters),
    ReportSpec("sectors", "Sectors", SectorsParameters),
    ReportSpec("volume_anomalies", "Volume anomalies", VolumeAnomaliesParameters),
    ReportSpec(
        "orderbook_liquidity",
        "Order-book liquidity",
        OrderbookLiquidityParameters,
        table="market.orderbook_metrics",
    ),
    ReportSpec("data_quality", "Data quality", DataQualityParameters),
)


def parse_parameters(spec: ReportSpec, given: Mapping[str, Any]) -> ReportParameters:
    """Return typed parameters; values may be text, as a command line gives them.

    Raises
    ------
    UsageError
        For an unknown name or a value of the wrong type, before anything runs.

    Examples
    --------
    >>> parse_parameters(REPORTS[0], {"top": "5"}).top
    5
    """
    known = list(spec.parameters.model_fields)
    for name in given:
        if name not in known:
            raise UsageError(
                f"report {spec.name} has no parameter {quoted(name)}",
                hint=did_you_mean(name, known),
            )
    try:
        return spec.parameters.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"parameter {where}: {first['msg']}, got {quoted(first.get('input'))}",
            hint=f"`workbench report show {spec.name} --parameters` lists what it takes",
        ) from error
