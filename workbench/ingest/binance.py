"""Raw Binance WebSocket captures: one ``<receive time, ns> <message>`` per line.

Trades, best quotes and depth become records of the contracts; every number goes on as the
decimal it was. Captures with and without the combined stream's wrapper are read alike.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, NoReturn

from workbench.ingest.binance_book import Books, Diff, Level, Snapshot, Top
from workbench.ingest.tally import Tally

EXCHANGE = "BINANCE"
#: (topic, key, value) of one message.
Message = tuple[str, bytes, bytes]

_NUMBER = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_PARTIAL_DEPTH = re.compile(r"depth\d+")


class BrokenMessage(ValueError):
    """A line or a message that cannot be read; its text is the reason."""


def number(value: Any) -> str:
    """Return the JSON number of a quoted decimal, without zeros at its end.

    Examples
    --------
    >>> number("2683.80000000")
    '2683.8'
    >>> number("100")
    '100'
    """
    text = value if isinstance(value, str) else str(value)
    if isinstance(value, bool) or not _NUMBER.fullmatch(text):
        raise BrokenMessage("a number that is none")
    return text.rstrip("0").rstrip(".") if "." in text else text


def milliseconds(value: Any) -> int:
    """Return an epoch time in ms, UTC, from s to ns: captures and feeds differ in the unit.

    Examples
    --------
    >>> milliseconds(1723161254024619568)
    1723161254024
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BrokenMessage("a time that is none")
    time_ms: int = value
    while time_ms >= 10**14:  # ms have 13 digits until the year 2286
        time_ms //= 1000
    return time_ms


class Capture:
    """Turns the lines of a capture into messages; keeps the books.

    Parameters
    ----------
    tally
        Counts broken lines, unknown kinds and depth messages without a snapshot.

    Examples
    --------
    >>> capture = Capture(Tally())
    >>> line = (b'1723161254340863867 {"e":"trade","E":1723161255612,"s":"ETHUSDT","t":7,'
    ...         b'"p":"2683.80000000","q":"0.00200000","T":1723161255611,"m":true}')
    >>> [(topic, key, value)] = capture.messages(line)
    >>> topic, key
    ('raw.trades', b'ETHUSDT')
    """

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._books = Books(tally.depth)

    def messages(self, line: bytes) -> list[Message]:
        """Return the messages of one line, without its end; none for what is only counted."""
        try:
            received_ms, message = _parse(line)
            return self._take(received_ms, message)
        except BrokenMessage as error:
            self._tally.broken[str(error)] += 1
        except KeyError as error:
            self._tally.broken[f"no field {error}"] += 1
        return []

    def _take(self, received_ms: int | None, message: dict[str, Any]) -> list[Message]:
        stream, data = "", message
        if isinstance(message.get("data"), dict):
            stream, data = str(message.get("stream", "")), message["data"]
        symbol = data.get("s") or data.get("symbol") or stream.partition("@")[0].upper() or None
        if symbol is not None and not isinstance(symbol, str):
            raise BrokenMessage("a symbol that is no string")
        kind = _kind(stream, data)
        if kind == "snapshot":
            return self._snapshot(data, symbol)
        if kind not in ("trade", "bookTicker", "depthUpdate"):
            self._tally.unknown[kind] += 1
            return []
        if symbol is None:
            raise BrokenMessage(f"{kind} without a symbol")
        if kind == "trade":
            return [self._trade(symbol, data)]
        if kind == "bookTicker":
            return [self._quote(symbol, data, received_ms)]
        return self._depth(symbol, data)

    def _trade(self, symbol: str, data: dict[str, Any]) -> Message:
        price, quantity = number(data["p"]), number(data["q"])
        time_ms, trade = milliseconds(data["T"]), data["t"]
        buyer_is_maker = data["m"]
        if not isinstance(buyer_is_maker, bool) or not isinstance(trade, int):
            raise BrokenMessage("trade with a field of another type")
        self._books.saw_price(symbol, Decimal(price))
        # The aggressor is the taker: where the buyer was the maker, somebody sold to him.
        side = "SELL" if buyer_is_maker else "BUY"
        name = json.dumps(symbol)[1:-1]
        value = (
            f'{{"trade_id":"{name}-{trade}","order_id":"{name}-{trade}","symbol":"{name}",'
            f'"side":"{side}","quantity":{quantity},"price":{price},"status":"FILLED",'
            f'"exchange":"{EXCHANGE}","timestamp_ms":{time_ms},"event_type":"TRADE"}}'
        )
        return "raw.trades", symbol.encode(), value.encode()

    def _quote(self, symbol: str, data: dict[str, Any], received_ms: int | None) -> Message:
        bid, ask = number(data["b"]), number(data["a"])
        stamped = data.get("T", data.get("E"))
        time_ms = milliseconds(stamped) if stamped is not None else received_ms
        if time_ms is None:
            raise BrokenMessage("bookTicker without a time")
        mid = (Decimal(bid) + Decimal(ask)) / 2
        self._books.saw_price(symbol, mid)
        value = (
            f'{{"symbol":{json.dumps(symbol)},"price":{number(format(mid, "f"))},'
            f'"bid_price":{bid},"bid_quantity":{number(data["B"])},'
            f'"ask_price":{ask},"ask_quantity":{number(data["A"])},'
            f'"exchange":"{EXCHANGE}","timestamp_ms":{time_ms}}}'
        )
        return "raw.marketdata", symbol.encode(), value.encode()

    def _depth(self, symbol: str, data: dict[str, Any]) -> list[Message]:
        # Futures name the update before (`pu`) because theirs are not numbered without gaps.
        first, last = data["pu"] + 1 if isinstance(data.get("pu"), int) else data["U"], data["u"]
        if not isinstance(first, int) or not isinstance(last, int) or first > last:
            raise BrokenMessage("depthUpdate with update ids that are none")
        diff = Diff(first, last, _levels(data["b"]), _levels(data["a"]), milliseconds(data["E"]))
        return [_book(top) for top in self._books.diff(symbol, diff)]

    def _snapshot(self, data: dict[str, Any], symbol: str | None) -> list[Message]:
        last = data["lastUpdateId"]
        if not isinstance(last, int):
            raise BrokenMessage("snapshot with a lastUpdateId that is none")
        snapshot = Snapshot(last, _levels(data["bids"]), _levels(data["asks"]), symbol)
        return [_book(top) for top in self._books.snapshot(snapshot)]


def _constant(name: str) -> NoReturn:
    raise ValueError(name)


def _parse(line: bytes) -> tuple[int | None, dict[str, Any]]:
    """The receive time in ms, where there is one, and the message."""
    text = line.strip()
    received_ms = None
    if not text.startswith(b"{"):
        stamp, _, text = text.partition(b" ")
        if not stamp.isdigit() or not text:
            raise BrokenMessage("no receive time and message")
        received_ms = milliseconds(int(stamp[:30]))
    try:
        # Numbers with a fraction stay text: they are decimals, not floats.
        message = json.loads(text, parse_float=str, parse_constant=_constant)
    except (ValueError, RecursionError):
        raise BrokenMessage("not JSON") from None
    if not isinstance(message, dict):
        raise BrokenMessage("not a JSON object")
    return received_ms, message


def _kind(stream: str, data: dict[str, Any]) -> str:
    """What a message is: its event, or what its stream or its fields say."""
    event = data.get("e")
    if isinstance(event, str):
        return event
    channel = stream.partition("@")[2].partition("@")[0]
    if "lastUpdateId" in data:
        # Partial depth (top 5, 10 or 20 levels) is no snapshot that diffs could join.
        return channel if _PARTIAL_DEPTH.fullmatch(channel) else "snapshot"
    if channel:
        return channel
    if {"b", "B", "a", "A"} <= data.keys():
        return "bookTicker"
    return "fields " + ", ".join(sorted(data)[:5]) if data else "empty object"


def _levels(levels: Any) -> list[Level]:
    if not isinstance(levels, list):
        raise BrokenMessage("levels that are no list")
    read: list[Level] = []
    for level in levels:
        if not isinstance(level, list) or len(level) < 2:
            raise BrokenMessage("a level that is no pair")
        price, quantity = number(level[0]), number(level[1])
        text = None if quantity == "0" else f'{{"price":{price},"quantity":{quantity}}}'
        read.append((Decimal(price), text))
    return read


def _book(top: Top) -> Message:
    value = (
        f'{{"symbol":{json.dumps(top.symbol)},"timestamp_ms":{top.time_ms},'
        f'"bids":[{",".join(top.bids)}],"asks":[{",".join(top.asks)}]}}'
    )
    return "raw.orderbook", top.symbol.encode(), value.encode()
