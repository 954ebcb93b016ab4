"""The reference data in force: checked before it is used, replaced whole or not at all.

The file that ships is never changed. The first `apply` or `set` (or the first job) makes the
project's own copy in the stack's folder; from then on that copy is in force, and running jobs
notice its changes. Where ``reference.symbols`` is configured, that file is the project's own.
"""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import reference
from workbench.config import Settings
from workbench.errors import UsageError, WorkbenchError, did_you_mean

SHIPPED = (Path(reference.__file__).parent / "symbols.csv").resolve()
#: Columns a file must have; further ones are kept.
REQUIRED = ("symbol", "company_name", "sector", "industry", "market_cap_tier", "exchange")
TIERS = ("MEGA", "LARGE", "MID", "SMALL", "UNKNOWN")

Row = dict[str, str]


def own_file(settings: Settings) -> Path:
    """Return where the project's own reference data lies, whether it is there or not."""
    if settings.reference.symbols is not None:
        return settings.symbols_file
    return settings.stack_folder / "reference" / "symbols.csv"


def symbols_in_force(settings: Settings) -> Path:
    """Return the file in force: the project's own, else the one that ships.

    Examples
    --------
    >>> from workbench.config import load_settings
    >>> symbols_in_force(load_settings(getfixture("tmp_path"))).name
    'symbols.csv'
    """
    own = own_file(settings)
    return own if own.is_file() else settings.symbols_file


def ensure_symbols(settings: Settings) -> Path:
    """Return the project's own file, made from the one that ships where it is missing.

    Jobs read this path again and again: it stays the same when the data changes.

    Raises
    ------
    UsageError
        Where ``reference.symbols`` names a file that is missing.
    """
    own = own_file(settings)
    if not own.is_file():
        columns, rows = read_symbols(settings.symbols_file)
        _write(own, columns, rows)
    return own


def read_symbols(path: Path) -> tuple[list[str], list[Row]]:
    """Read and check a file of symbols.

    Returns
    -------
    tuple
        The columns and the rows, both in the order of the file.

    Raises
    ------
    WorkbenchError
        Where the file cannot be used; names the line and what is wrong with it.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"no file {path}", hint="check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise WorkbenchError(f"cannot read {path}: {error}", hint="it must be UTF-8 CSV") from None
    reader = csv.reader(io.StringIO(text, newline=""))
    columns = [name.strip() for name in next(reader, [])]
    missing = [name for name in REQUIRED if name not in columns]
    if missing or len(set(columns)) != len(columns):
        problem = f"no column {', '.join(missing)}" if missing else "a column occurs twice"
        raise WorkbenchError(f"{path.name}: {problem}", hint="columns: " + ", ".join(REQUIRED))
    rows = []
    for cells in reader:
        if not cells:
            continue
        if len(cells) != len(columns):
            raise WorkbenchError(
                f"{path.name} line {reader.line_num}: {len(cells)} cells, {len(columns)} columns",
                hint="quote cells that hold commas",
            )
        rows.append(dict(zip(columns, (cell.strip() for cell in cells), strict=True)))
        _check(path, reader.line_num, rows[-1])
    _check_unique(path, rows)
    return columns, rows


def _check(path: Path, line: int, row: Row) -> None:
    symbol = row["symbol"]
    if not symbol:
        raise WorkbenchError(f"{path.name} line {line}: no symbol", hint="fill it or cut the line")
    if any(not character.isprintable() or character.isspace() for character in symbol):
        raise WorkbenchError(
            f"{path.name} line {line}: symbol {symbol!r} holds blanks", hint="mend the symbol"
        )
    empty = [name for name in REQUIRED if not row[name]]
    if empty:
        raise WorkbenchError(
            f"{path.name} line {line}: {symbol} has no {', '.join(empty)}",
            hint="write UNKNOWN where it is not known",
        )
    if row["market_cap_tier"] not in TIERS:
        raise WorkbenchError(
            f"{path.name} line {line}: {symbol} has market_cap_tier {row['market_cap_tier']!r}",
            hint="one of " + ", ".join(TIERS),
        )


def _check_unique(path: Path, rows: list[Row]) -> None:
    seen: set[str] = set()
    for row in rows:
        if row["symbol"] in seen:
            raise WorkbenchError(
                f"{path.name}: symbol {row['symbol']} occurs twice", hint="keep one line of it"
            )
        seen.add(row["symbol"])
    if not seen:
        raise WorkbenchError(f"{path.name}: no symbols", hint="it needs at least one line")


def apply_file(settings: Settings, source: Path) -> int:
    """Put another file in force, after checking it; return its number of symbols.

    Raises
    ------
    WorkbenchError
        Where the file cannot be used; the data in force stays as it is.
    """
    columns, rows = read_symbols(source)
    _write(_changeable(settings), columns, rows)
    return len(rows)


def set_values(settings: Settings, symbol: str, values: dict[str, str]) -> Row:
    """Change cells of one symbol, or add it; return its row as it is now.

    Parameters
    ----------
    symbol
        As the exchange writes it.
    values
        New cells by column; a new symbol's other columns are ``UNKNOWN``.

    Raises
    ------
    UsageError
        Where a column does not exist or is the symbol itself.
    """
    columns, rows = read_symbols(symbols_in_force(settings))
    for column in values:
        if column not in columns or column == "symbol":
            raise UsageError(f"no column {column!r} to set", hint=did_you_mean(column, columns[1:]))
    row = next((each for each in rows if each["symbol"] == symbol), None)
    if row is None:
        row = {name: "UNKNOWN" if name in REQUIRED else "" for name in columns}
        row["symbol"] = symbol
        rows.append(row)
    row.update({column: value.strip() for column, value in values.items()})
    _check(Path("the change"), 1, row)
    _write(_changeable(settings), columns, rows)
    return row


def _changeable(settings: Settings) -> Path:
    own = own_file(settings)
    if own == SHIPPED:
        raise UsageError(
            f"{own} ships with the project and is not changed",
            hint="leave reference.symbols unset, or name a file of your own",
        )
    return own


def _write(target: Path, columns: list[str], rows: Iterable[Row]) -> None:
    """Write beside the target, then rename: a reader sees the old file or the new one."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".symbols-", suffix=".csv")
    except OSError as error:
        raise _unwritable(target, error) from error
    try:
        with os.fdopen(handle, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except OSError as error:
        raise _unwritable(target, error) from error
    finally:
        Path(name).unlink(missing_ok=True)


def _unwritable(target: Path, error: OSError) -> WorkbenchError:
    return WorkbenchError(
        f"cannot write {target}: {error.strerror or error}", hint="check the disk and its rights"
    )
