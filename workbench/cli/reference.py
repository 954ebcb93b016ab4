"""``workbench reference``: show, replace or change the reference data in force."""

from __future__ import annotations

from pathlib import Path

import click

from workbench.cli.output import format_options, print_rows


@click.group("reference")
def command() -> None:
    """Show or change the reference data; running jobs take a change within a minute."""


@command.command("show")
@click.argument("symbol", required=False)
@format_options
def show(symbol: str | None, form: str | None) -> None:
    """Print the symbols in force, or one of them."""
    from workbench.config import load_settings
    from workbench.errors import UsageError, did_you_mean, quoted
    from workbench.ingest.reference import read_symbols, symbols_in_force

    path = symbols_in_force(load_settings())
    columns, rows = read_symbols(path)
    if symbol is not None:
        chosen = [row for row in rows if row["symbol"] == symbol]
        if not chosen:
            names = [row["symbol"] for row in rows]
            hint = did_you_mean(symbol, names)
            raise UsageError(
                f"no symbol {quoted(symbol)} in {path}",
                hint="`workbench reference show` lists them" if hint.startswith("known") else hint,
            )
        rows = chosen
    print_rows(columns, [tuple(row[name] for name in columns) for row in rows], form or "table")


@command.command("apply")
@click.argument("file", type=click.Path(path_type=Path))
def apply(file: Path) -> None:
    """Check FILE and put it in force in place of the data before."""
    from workbench.config import load_settings
    from workbench.ingest.reference import apply_file, own_file

    settings = load_settings()
    count = apply_file(settings, file)
    click.echo(f"{count} symbols in force in {own_file(settings)}")


@command.command("set")
@click.argument("symbol")
@click.argument("values", nargs=-1, required=True, metavar="COLUMN=VALUE...")
def set_(symbol: str, values: tuple[str, ...]) -> None:
    """Change cells of SYMBOL, or add it.

    \b
    workbench reference set AAPL market_cap_tier=LARGE "company_name=Apple"
    """
    from workbench.config import load_settings
    from workbench.errors import UsageError, quoted
    from workbench.ingest.reference import set_values

    cells = {}
    for value in values:
        column, equals, cell = value.partition("=")
        if not equals:
            raise UsageError(f"{quoted(value)} is no change", hint="write COLUMN=VALUE")
        cells[column] = cell
    row = set_values(load_settings(), symbol, cells)
    print_rows(list(row), [tuple(row.values())])
