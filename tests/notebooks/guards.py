"""What must hold for a report notebook, because nbval passes silently without it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
COMPARED = "nbval-check-output"
IGNORED = "nbval-ignore-output"
#: Two runs on the same data must give the same cell: no clock, no chance.
_CALLS = {
    "now", "today", "utcnow", "time_ns", "monotonic", "perf_counter", "uuid1", "uuid4",
    "sample", "shuffle", "choice", "choices", "randint", "default_rng", "token_hex", "urandom",
}  # fmt: skip
_MODULES = {"random", "secrets", "uuid", "time", "numpy.random"}
_SQL = re.compile(
    r"\b(now|today|random|uuid|gen_random_uuid|get_current_timestamp|get_current_time)\s*\("
    r"|\bcurrent_(date|time|timestamp)\b|\bUSING\s+SAMPLE\b|\bTABLESAMPLE\b",
    re.IGNORECASE,
)
_PATH = re.compile(r"(/tmp/|/home/|/root/|/Users/|[A-Z]:\\\\)")
#: Methods of a report that show numbers of the data.
_SHOWS_FIGURES = {"table", "figures_table"}


def problems(notebook: Any) -> list[str]:
    """Return what is wrong with a report notebook, in words; empty when nothing is."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    tags = [set(cell.metadata.get("tags", [])) for cell in cells]
    found = []
    if not any("parameters" in each for each in tags):
        found.append("no cell is tagged parameters")
    if not any(COMPARED in each for each in tags):
        found.append("no cell is compared")
    for cell, each in zip(cells, tags, strict=True):
        name = f"cell {cell.id!r}"
        methods = set(_methods(cell.source))
        if COMPARED in each and not cell.outputs:
            found.append(f"compared {name} has no stored output")
        if COMPARED not in each and methods & _SHOWS_FIGURES:
            found.append(f"{name} shows figures and is not compared: tag it {COMPARED}")
        if IGNORED not in each and "plot" in methods:
            found.append(f"figure {name} is not tagged {IGNORED}")
        found += [f"{name} uses {what}" for what in unstable(cell.source)]
        for output in cell.outputs:
            if output.output_type == "error":
                found.append(f"{name} holds an error: {output.ename}")
            if _PATH.search(str(output)):
                found.append(f"{name} holds a path of some machine")
    for module in imported_modules(notebook):
        source = module.read_text(encoding="utf-8")
        found += [f"{module.relative_to(ROOT)} uses {what}" for what in unstable(source)]
    if not cells or "report.finish()" not in cells[-1].source:
        found.append("the last cell does not call report.finish()")
    return found


def unstable(source: str) -> list[str]:
    """Return the uses of clock and chance in Python code, and in the SQL in its texts."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name in _MODULES]
        elif isinstance(node, ast.ImportFrom) and node.module in _MODULES:
            found.append(str(node.module))
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", None))
            # `time()` alone is midnight; whoever has it from the module time has imported that.
            if name in _CALLS:
                found.append(f"{name}()")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found += [match[0] for match in _SQL.finditer(node.value)]
    return found


def unstable_sql(text: str) -> list[str]:
    """Return the uses of clock and chance in SQL."""
    return [match[0] for match in _SQL.finditer(re.sub(r"--[^\n]*", "", text))]


class _Page(HTMLParser):
    """What a page of a report says to those who do not see it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.headings: list[int] = []
        self.titles = self.figures = self.told = self.tables = self.captions = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        for name in ("src", "href", "data", "action"):
            if re.match(r"\s*(https?:)?//", given.get(name) or ""):
                self.found.append(f"<{tag}> fetches {given[name]}")
        if tag == "html" and given.get("lang") != "en":
            self.found.append("no language")
        if re.fullmatch(r"h[1-6]", tag):
            level = int(tag[1])
            if level > (self.headings[-1] if self.headings else 0) + 1:
                self.found.append(f"<{tag}> skips a level of headings")
            self.headings.append(level)
        self.figures += tag == "figure"
        self.told += given.get("role") == "img" and bool(given.get("aria-label"))
        if tag == "img" and not given.get("alt"):
            self.found.append("a picture has no text")
        if tag == "th" and not given.get("scope"):
            self.found.append("a heading of a table has no scope")
        self.titles += tag == "title"
        self.tables += tag == "table"
        self.captions += tag == "caption"


def page_problems(page: str) -> list[str]:
    """Return what is wrong with the HTML of a report; empty when nothing is."""
    parser = _Page()
    # Plotly's own code names addresses and tags; it is there once, and in the head.
    head, body = page.split("</head>", 1)
    parser.feed(re.sub(r"<script>.*?</script>", "", head, flags=re.DOTALL) + "</head>" + body)
    found = list(parser.found)
    if parser.headings.count(1) != 1:
        found.append(f"{parser.headings.count(1)} main headings")
    if parser.titles != 1:
        found.append(f"{parser.titles} titles")
    if parser.figures != parser.told:
        found.append(f"{parser.figures} figures have {parser.told} texts")
    if parser.tables != parser.captions:
        found.append(f"{parser.tables} tables have {parser.captions} captions")
    copies = len(re.findall(r"\* plotly\.js v", page))
    if copies != bool(parser.figures):
        found.append(f"{copies} copies of plotly.js")
    return found


def imported_modules(notebook: Any) -> list[Path]:
    """Return the modules of reports and questions that a notebook imports."""
    found = set()
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        for node in ast.walk(ast.parse(cell.source)):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                file = ROOT / f"{name.replace('.', '/')}.py"
                if name.startswith(("workbench.reports", "workbench.market")) and file.is_file():
                    found.add(file)
    return sorted(found)


def _methods(source: str) -> Iterator[str]:
    """Methods that are called on ``report``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if isinstance(node.func.value, ast.Name) and node.func.value.id == "report":
                yield node.func.attr
