"""A small lake of its own for every test that asks for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.unit.lake_rows import trades
from tests.unit.market_lake import MarketLake, build
from workbench.config import Settings, load_settings

# No test asserts a time: on a busy machine the first example of one may take long.
hypothesis.settings.register_profile("workbench", deadline=None)
hypothesis.settings.load_profile("workbench")

Land = Callable[..., str | None]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of an empty project folder."""
    return load_settings(tmp_path)


@pytest.fixture
def lake(settings: Settings) -> Settings:
    """A project whose tables are there and empty."""
    from workbench.lake.tables import apply

    apply(settings)
    return settings


@pytest.fixture
def land(lake: Settings) -> Land:
    """Append rows of `lake_rows.trade` to market.trades; returns the snapshot id."""
    from workbench.lake.write import append

    def write(*rows: dict[str, Any]) -> str | None:
        return append(lake, "market.trades", trades(rows))

    return write


@pytest.fixture
def session(lake: Settings) -> Iterator[Any]:
    """A session on the empty lake; `session.refresh()` sees what was landed."""
    from workbench.lake.session import open_session

    with open_session(lake) as opened:
        yield opened


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> MarketLake:
    """A lake with rows in every table, made once; nobody writes to it."""
    return build(tmp_path_factory.mktemp("market"))


@pytest.fixture(scope="session")
def market_session(market: MarketLake) -> Iterator[Any]:
    """A session on it."""
    from workbench.lake.session import open_session

    with open_session(market.settings) as opened:
        yield opened
