"""``-p NAME=VALUE``: parameters of a report, as text that its typed model reads."""

from __future__ import annotations

from collections.abc import Iterable

from workbench.errors import UsageError, quoted


def pairs(given: Iterable[str]) -> dict[str, str]:
    """Return the parameters by name.

    Raises
    ------
    UsageError
        For a text without ``=``, and a name given twice.

    Examples
    --------
    >>> pairs(["top=5", "symbol=AAPL"])
    {'top': '5', 'symbol': 'AAPL'}
    """
    parameters: dict[str, str] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals:
            raise UsageError(f"-p {quoted(item)} has no value", hint="write -p name=value")
        if name in parameters:
            raise UsageError(f"-p {name} is given twice", hint="give it once")
        parameters[name] = value
    return parameters
