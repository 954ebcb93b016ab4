"""The one reader of files: what it yields is what Kafka gets, and what batch runs read.

JSON lines pass byte for byte, so that a line nobody can read ends as a dead letter with its
own bytes. CSV and Parquet rows become JSON objects whose numbers are exact.
"""

from __future__ import annotations

import csv
import io
import json
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from gzip import GzipFile
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from workbench.contracts import Record, topic_named
from workbench.errors import UsageError, WorkbenchError, did_you_mean
from workbench.ingest.binance import Capture
from workbench.ingest.json_text import json_rows, text_rows
from workbench.ingest.tally import Tally

#: What a form's rows are, by topic; a Binance capture holds all three.
TOPIC_OF_FORM = {
    "trades": "raw.trades",
    "marketdata": "raw.marketdata",
    "orderbook": "raw.orderbook",
}
FORMS = (*TOPIC_OF_FORM, "binance")
STDIN = "-"
SCHEMA = pa.schema(
    [
        pa.field("topic", pa.string(), nullable=False),
        pa.field("key", pa.binary()),
        pa.field("value", pa.binary()),
    ]
)

_KINDS = {
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".csv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
#: Bytes read at a time: far above a line, far below memory.
_BLOCK = 4 << 20
#: A CSV row must fit in one block of the parser.
_CSV_BLOCK = 16 << 20
# The name `symbol` at the top level of an object: only scalars may stand before it. A nested
# value in front of it is left to the JSON parser.
_SYMBOL = (
    rb'^\s*\{(?:\s*"(?:[^"\\]|\\.)*"\s*:\s*(?:"(?:[^"\\]|\\.)*"|[^"\s,{}\[\]]+)\s*,)*?'
    rb'\s*"symbol"\s*:\s*"(?P<symbol>[^"\\]+)"'
)


def iter_batches(
    paths: Sequence[str | Path] | str | Path,
    form: str,
    *,
    batch_rows: int = 10_000,
    tally: Tally | None = None,
) -> Iterator[pa.RecordBatch]:
    """Read files as the messages Kafka would get, in order.

    Parameters
    ----------
    paths
        JSON lines (``.jsonl``, ``.ndjson``, ``.json``), CSV with a header (``.csv``), Parquet
        (``.parquet``), each also ``.gz``; ``-`` is standard input, whose kind is found out.
    form
        ``trades``, ``marketdata``, ``orderbook``, or ``binance`` for a raw WebSocket capture.
    batch_rows
        The most rows of one batch.
    tally
        Counts what was read and not passed on; see `Tally`.

    Returns
    -------
    Iterator of pyarrow.RecordBatch
        Columns ``topic`` (string), ``key`` (binary: the symbol; null where it cannot be read)
        and ``value`` (binary).

    Raises
    ------
    UsageError
        Where a file is missing, its ending or the form is unknown.
    WorkbenchError
        Where a file cannot be read to its end.

    Examples
    --------
    >>> path = getfixture("tmp_path") / "day.jsonl"
    >>> _ = path.write_text('{"symbol": "AAPL", "price": 187.25}\\n')
    >>> [batch] = iter_batches(path, "trades")
    >>> batch.to_pylist()
    [{'topic': 'raw.trades', 'key': b'AAPL', 'value': b'{"symbol": "AAPL", "price": 187.25}'}]
    """
    if form not in FORMS:
        raise UsageError(f"no format {form!r}", hint=did_you_mean(form, FORMS))
    names = [str(paths)] if isinstance(paths, str | Path) else [str(path) for path in paths]
    if not names:
        raise UsageError("no file to read", hint="name at least one, or - for standard input")
    for name in names:
        _check(name, form)
    counts = tally if tally is not None else Tally()
    return _batches(names, form, batch_rows, counts)


def _batches(
    names: list[str], form: str, batch_rows: int, tally: Tally
) -> Iterator[pa.RecordBatch]:
    capture = Capture(tally)
    for name in names:
        with _readable(name) as stream:
            if form == "binance":
                # One capture may lie in several files: the kept books go on.
                batches = _binance(stream, capture, batch_rows, tally)
            else:
                batches = _rows(name, stream, form, batch_rows, tally)
            for batch in batches:
                tally.rows += batch.num_rows
                yield batch


def _check(name: str, form: str) -> None:
    if name == STDIN:
        return
    path = Path(name)
    if path.is_dir():
        raise UsageError(f"{name} is a folder", hint="name the files in it")
    if not path.exists():
        raise UsageError(f"no file {name}", hint="check the path and the working directory")
    if form != "binance":
        _kind(path)


def _kind(path: Path) -> str:
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if suffix not in _KINDS:
        raise UsageError(
            f"{path.name}: unknown ending {suffix or '(none)'}",
            hint=f"one of {', '.join(_KINDS)}, each also .gz, or - for standard input",
        )
    return _KINDS[suffix]


@contextmanager
def _readable(name: str) -> Iterator[io.BufferedReader]:
    """Open a file or standard input, unpacked; what goes wrong names the file."""
    try:
        with ExitStack() as stack:
            if name == STDIN:
                stream = cast(io.BufferedReader, sys.stdin.buffer)
            else:
                stream = stack.enter_context(Path(name).open("rb"))
            if stream.peek(2)[:2] == b"\x1f\x8b":
                unpacked = cast(io.RawIOBase, GzipFile(fileobj=stream))
                stream = io.BufferedReader(unpacked, 1 << 20)
            elif name.endswith(".gz") and stream.peek(1):
                raise UsageError(f"{name} is not gzip", hint="rename it or pack it with gzip")
            yield stream
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WorkbenchError(
            f"cannot read {'standard input' if name == STDIN else name}: {reason}",
            hint="is the file complete and of the kind its name says?",
        ) from error


def _sniff(stream: io.BufferedReader) -> str:
    """The kind of standard input by its first bytes."""
    head = stream.peek(1 << 16)
    if head[:4] == b"PAR1":
        return "parquet"
    first = head.lstrip(b"\xef\xbb\xbf \r\n").split(b"\n", 1)[0]
    is_header = not first.startswith((b"{", b"[")) and b"," in first and b"symbol" in first
    return "csv" if is_header else "json"


def _rows(
    name: str, stream: io.BufferedReader, form: str, batch_rows: int, tally: Tally
) -> Iterator[pa.RecordBatch]:
    topic = TOPIC_OF_FORM[form]
    record = topic_named(topic).record
    assert record is not None
    kind = _sniff(stream) if name == STDIN else _kind(Path(name))
    if kind == "json":
        return _json_lines(stream, topic, batch_rows, tally)
    if kind == "csv":
        return _csv(name, stream, topic, record, batch_rows)
    return _parquet(stream, topic, record, batch_rows)


def _batch(topic: str, keys: pa.Array, values: pa.Array) -> pa.RecordBatch:
    topics = pa.repeat(pa.scalar(topic), len(values))
    return pa.RecordBatch.from_arrays([topics, keys, values], schema=SCHEMA)


def _lines(stream: io.BufferedReader, batch_rows: int, tally: Tally) -> Iterator[list[bytes]]:
    """Lines without their ends, at most `batch_rows` at a time; empty ones are counted."""
    rest: list[bytes] = []
    while block := stream.read1(_BLOCK):
        cut = block.rfind(b"\n")
        if cut < 0:  # a line longer than a block
            rest.append(block)
            continue
        text = b"".join([*rest, block[:cut]])
        rest = [block[cut + 1 :]]
        yield from _cleaned(text.split(b"\n"), batch_rows, tally)
    last = b"".join(rest)
    if last:
        yield from _cleaned([last], batch_rows, tally)


def _cleaned(lines: list[bytes], batch_rows: int, tally: Tally) -> Iterator[list[bytes]]:
    cut = [line[:-1] if line.endswith(b"\r") else line for line in lines]
    kept = [line for line in cut if line]
    tally.empty += len(cut) - len(kept)
    for start in range(0, len(kept), batch_rows):
        yield kept[start : start + batch_rows]


def _json_lines(
    stream: io.BufferedReader, topic: str, batch_rows: int, tally: Tally
) -> Iterator[pa.RecordBatch]:
    if stream.peek(3)[:3] == b"\xef\xbb\xbf":
        stream.read(3)
    for lines in _lines(stream, batch_rows, tally):
        values = pa.array(lines, pa.binary())
        yield _batch(topic, symbols_of(values), values)


def symbols_of(values: pa.Array) -> pa.Array:
    """Return the symbol of each JSON record as binary; null where it cannot be read.

    Examples
    --------
    >>> symbols_of(pa.array([b'{"symbol":"AAPL"}', b"oops"], pa.binary())).to_pylist()
    [b'AAPL', None]
    """
    found = pc.extract_regex(values, _SYMBOL)
    keys = pc.struct_field(found, [0])
    # A struct that did not match is null; its child still holds an empty value.
    keys = pc.if_else(found.is_valid(), keys, pa.scalar(None, pa.binary()))
    if keys.null_count:
        missing = pc.indices_nonzero(keys.is_null()).to_pylist()
        slow = {index: _symbol_of(values[index].as_py()) for index in missing}
        if any(symbol is not None for symbol in slow.values()):
            filled = keys.to_pylist()
            for index, symbol in slow.items():
                filled[index] = symbol
            keys = pa.array(filled, pa.binary())
    return keys


def _symbol_of(value: bytes | None) -> bytes | None:
    try:
        symbol = json.loads(value or b"")["symbol"]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None
    return symbol.encode("utf-8", "surrogatepass") if isinstance(symbol, str) and symbol else None


def _csv(
    name: str, stream: io.BufferedReader, topic: str, record: Record, batch_rows: int
) -> Iterator[pa.RecordBatch]:
    header = stream.readline().removeprefix(b"\xef\xbb\xbf")
    try:
        columns = next(csv.reader([header.decode().rstrip("\r\n")]), [])
    except UnicodeDecodeError:
        columns = []
    columns = [column.strip() for column in columns]
    if not header.strip():
        return
    known = {field.name for field in record.fields}
    if not known & set(columns) or len(set(columns)) != len(columns):
        raise UsageError(
            f"{name}: the first line is no header of {record.name}",
            hint="its columns are " + ", ".join(field.name for field in record.fields),
        )
    if not stream.peek(1):
        return
    odd: list[bytes] = []

    def keep(row: pyarrow.csv.InvalidRow) -> str:
        odd.append(row.text.encode("utf-8", "surrogateescape"))
        return "skip"

    reader = pyarrow.csv.open_csv(
        stream,
        read_options=pyarrow.csv.ReadOptions(
            column_names=columns, block_size=_CSV_BLOCK, use_threads=False
        ),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=keep),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(columns, pa.binary()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    for block in reader:
        for start in range(0, block.num_rows, batch_rows):
            part = block.slice(start, batch_rows)
            cells = dict(zip(columns, part.columns, strict=True))
            yield _batch(topic, _keys(cells), text_rows(cells, record))
        if odd:  # rows of another number of cells: passed on as they are, as dead letters
            yield _raw(topic, odd)
            odd.clear()
    if odd:
        yield _raw(topic, odd)


def _raw(topic: str, values: Iterable[bytes]) -> pa.RecordBatch:
    array = pa.array(values, pa.binary())
    return _batch(topic, pa.nulls(len(array), pa.binary()), array)


def _parquet(
    stream: io.BufferedReader, topic: str, record: Record, batch_rows: int
) -> Iterator[pa.RecordBatch]:
    # Parquet is read from its end: what cannot be sought (gzip, a pipe) is held in memory.
    is_file = isinstance(stream.raw, io.FileIO) and stream.seekable()
    source: io.BufferedReader | pa.Buffer = stream if is_file else pa.py_buffer(stream.read())
    file = pyarrow.parquet.ParquetFile(source)
    for rows in file.iter_batches(batch_size=batch_rows):
        columns = dict(zip(rows.schema.names, rows.columns, strict=True))
        yield _batch(topic, _keys(columns), json_rows(columns, record))


def _keys(columns: dict[str, pa.Array]) -> pa.Array:
    """The key of each row: its symbol, null where there is none."""
    if "symbol" not in columns:
        return pa.nulls(len(next(iter(columns.values()))), pa.binary())
    symbols = columns["symbol"]
    if pa.types.is_dictionary(symbols.type):
        symbols = symbols.dictionary_decode()
    if not pa.types.is_binary(symbols.type):
        symbols = symbols.cast(pa.string()).cast(pa.binary())
    return pc.if_else(pc.equal(symbols, b""), pa.scalar(None, pa.binary()), symbols)


def _binance(
    stream: io.BufferedReader, capture: Capture, batch_rows: int, tally: Tally
) -> Iterator[pa.RecordBatch]:
    for lines in _lines(stream, batch_rows, tally):
        messages = [message for line in lines for message in capture.messages(line)]
        for start in range(0, len(messages), batch_rows):
            part = messages[start : start + batch_rows]
            arrays = [
                pa.array([m[i] for m in part], SCHEMA.field(i).type)
                for i in range(len(SCHEMA.names))
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)
