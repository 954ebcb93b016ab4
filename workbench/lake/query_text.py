"""The text of a query, shown with the values that are bound to it."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from workbench.lake.table_text import shown

if TYPE_CHECKING:
    from workbench.lake.database import Parameters


class QueryText(str):
    """The text of a query, which can be asked again as it is; a notebook shows the values too.

    Examples
    --------
    >>> query = QueryText("SELECT * FROM t WHERE symbol = $symbol", {"symbol": "AAPL"})
    >>> query.startswith("SELECT"), query.parameters
    (True, {'symbol': 'AAPL'})
    >>> print(query.told)
    SELECT * FROM t WHERE symbol = $symbol
    -- $symbol = 'AAPL'
    """

    __slots__ = ("parameters",)

    parameters: Parameters

    def __new__(cls, text: str, parameters: Parameters = None) -> QueryText:
        """Keep the values beside the text."""
        made = super().__new__(cls, text)
        made.parameters = parameters
        return made

    @property
    def told(self) -> str:
        """The text, and every bound value in a comment below it."""
        return "\n".join([self.rstrip(), *(f"-- {line}" for line in self._values())])

    def _values(self) -> list[str]:
        given = self.parameters
        if given is None:
            return []
        if isinstance(given, Mapping):
            named = [(f"${name}", value) for name, value in given.items()]
        else:
            named = [(f"${number}", value) for number, value in enumerate(given, start=1)]
        return [f"{name} = {_shown(value)}" for name, value in named]

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(self.told)

    def _repr_html_(self) -> str:
        return f'<pre class="workbench-query"><code>{escape(self.told)}</code></pre>'


def _shown(value: object) -> str:
    return repr(shown(value)) if isinstance(value, str) else shown(value) or "NULL"
