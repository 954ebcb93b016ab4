"""Build ``symbols.csv`` from the list of S&P 500 members and a few crypto pairs.

    python reference/build.py CONSTITUENTS.csv

The source has the columns Symbol, Security, GICS Sector and GICS Sub-Industry; see README.md
for where it is from. Tier, exchange, tick and step are set here and are illustrative.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

COLUMNS = (
    "symbol",
    "company_name",
    "sector",
    "industry",
    "market_cap_tier",
    "exchange",
    "tick_size",
    "quantity_step",
    "illustrative",
)
#: The columns of every row that are no statement of fact (the marker stands in each row).
ILLUSTRATIVE = "market_cap_tier exchange tick_size quantity_step"


def _symbols(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Members of an S&P index are large by its rules; these stand for its upper and lower end.
MEGA = _symbols(
    """AAPL ABBV ABT AMD AMZN AVGO AXP BAC BRK.B C CAT COST CRM CSCO CVX DIS GE GOOG GOOGL GS HD
    IBM INTC JNJ JPM KO LIN LLY LRCX MA MCD META MRK MS MSFT MU NFLX NVDA ORCL PEP PG PLTR PM RTX
    T TMO TMUS TSLA UNH V VZ WFC WMT XOM"""
)
MID = _symbols(
    """AES ALGN AOS APA ARE BAX BEN BXP CPT CRL DOC DVA FDS FRT GNRC HAS HSIC HST IVZ KIM MGM
    MOS NCLH NWS NWSA PNW REG SWKS TAP TECH UDR UHS VTRS WYNN"""
)
# From general knowledge, not from a source; all other members are given as NYSE.
NASDAQ = _symbols(
    """AAPL ABNB ACGL ADBE ADI ADP ADSK AEP AKAM ALGN AMAT AMD AMGN AMZN APP AVGO AXON BIIB BKNG BKR
    CASY CDNS CDW CEG CHRW CHTR CINF CMCSA CME COIN COST CPRT CRWD CSCO CSGP CSX CTAS CTSH DASH DDOG
    DLTR DXCM EBAY ECHO EQIX ERIE EVRG EXC EXE EXPD EXPE FANG FAST FFIV FITB FLEX FOX FOXA FSLR FTNT
    GEHC GEN GILD GOOG GOOGL HAS HBAN HON HOOD HST IBKR IDXX INCY INTC INTU ISRG JBHT JKHY KDP KHC
    KLAC LIN LITE LNT LRCX LULU MAR MCHP MDLZ META MNST MPWR MRNA MSFT MU NDAQ NDSN NFLX NTAP NTRS
    NVDA NWS NWSA NXPI ODFL ON ORLY PANW PAYX PCAR PEP PFG PLTR PODD PSKY PTC PYPL QCOM REGN ROP
    ROST SBAC SBUX SMCI SNDK SNPS STLD STX SWKS TECH TMUS TROW TRMB TSCO TSLA TTD TTWO TXN UAL ULTA
    VRSK VRSN VRTX VTRS WBD WDAY WDC WMT WTW WYNN XEL ZBRA"""
)
CRYPTO = (
    ("ADAUSDT", "Cardano", "MID", "0.0001", "0.1"),
    ("BNBUSDT", "BNB", "LARGE", "0.01", "0.001"),
    ("BTCUSDT", "Bitcoin", "MEGA", "0.01", "0.00001"),
    ("DOGEUSDT", "Dogecoin", "MID", "0.00001", "1"),
    ("ETHUSDT", "Ethereum", "MEGA", "0.01", "0.0001"),
    ("LTCUSDT", "Litecoin", "SMALL", "0.01", "0.001"),
    ("SOLUSDT", "Solana", "LARGE", "0.01", "0.001"),
    ("XRPUSDT", "XRP", "LARGE", "0.0001", "0.1"),
)


def tier(symbol: str) -> str:
    """The illustrative market-cap tier of a member."""
    return "MEGA" if symbol in MEGA else "MID" if symbol in MID else "LARGE"


def exchange(symbol: str) -> str:
    """The illustrative listing of a member."""
    return "CBOE" if symbol == "CBOE" else "NASDAQ" if symbol in NASDAQ else "NYSE"


def build(source: Path) -> list[tuple[str, ...]]:
    """Return the rows of ``symbols.csv``, by symbol."""
    with source.open(newline="", encoding="utf-8") as file:
        members = list(csv.DictReader(file))
    rows = [
        (
            member["Symbol"],
            member["Security"],
            member["GICS Sector"],
            member["GICS Sub-Industry"],
            tier(member["Symbol"]),
            exchange(member["Symbol"]),
            "0.01",
            "1",
            ILLUSTRATIVE,
        )
        for member in members
    ]
    rows += [
        (symbol, name, "Crypto", "Cryptocurrency", size, "BINANCE", tick, step, ILLUSTRATIVE)
        for symbol, name, size, tick, step in CRYPTO
    ]
    return sorted(rows)


def main() -> None:
    """Write ``symbols.csv`` beside this script."""
    if len(sys.argv) != 2:
        sys.exit("usage: python reference/build.py CONSTITUENTS.csv")
    target = Path(__file__).parent / "symbols.csv"
    rows = build(Path(sys.argv[1]))
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    print(f"{target.name}: {len(rows)} symbols")


if __name__ == "__main__":
    main()
