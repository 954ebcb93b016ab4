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
#: Methods of a report that record or show numbers of the data.
_SHOWS_FIGURES = {"table", "figures_table", "figure", "check"}
#: Figures that no check of the same name computes again, and why that is enough.
NOT_AGAIN = {"missing": "each job's in = good + late + dead + filtered says the same"}


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
    found += [f"figure {name} has no check of its name" for name in unchecked(notebook)]
    for module in imported_modules(notebook):
        source = module.read_text(encoding="utf-8")
        found += [f"{module.relative_to(ROOT)} uses {what}" for what in unstable(source)]
    if not cells or "report.finish()" not in cells[-1].source:
        found.append("the last cell does not call report.finish()")
    return found


def unchecked(notebook: Any) -> list[str]:
    """Return the figures, as they are written, that no check of the same name computes again.

    A name that is put together must be put together in the same way. A plain one may also be an
    item of a loop over checks, or what a check's name becomes.
    """
    checks: set[str] = set()
    items: set[str] = set()
    figures: list[ast.expr] = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        calls = list(_calls(cell.source))
        figures += [call.args[0] for method, call in calls if method == "figure"]
        names = [call.args[0] for method, call in calls if method == "check"]
        checks |= {ast.unparse(name) for name in names}
        items |= {pattern for name in names if (pattern := _made(name))}
        if any(isinstance(name, ast.Name) for name in names):
            items |= _in_loops(cell.source)
    return [
        ast.unparse(name)
        for name in figures
        if ast.unparse(name) not in checks
        and not (
            isinstance(name, ast.Constant)
            and (name.value in NOT_AGAIN or any(re.fullmatch(each, name.value) for each in items))
        )
    ]


def _made(name: ast.expr) -> str | None:
    """The names that an f-string can become, as a pattern."""
    if not isinstance(name, ast.JoinedStr):
        return None
    parts = [
        re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".+"
        for part in name.values
    ]
    return "".join(parts)


def _in_loops(source: str) -> set[str]:
    """The texts that the loops of a cell go over, as patterns."""
    loops = [node.iter for node in ast.walk(ast.parse(source)) if isinstance(node, ast.For)]
    return {
        re.escape(node.value)
        for loop in loops
        for node in ast.walk(loop)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


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
    return (method for method, _ in _calls(source))


def _calls(source: str) -> Iterator[tuple[str, ast.Call]]:
    """Calls on ``report``, with the name of the method."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if isinstance(node.func.value, ast.Name) and node.func.value.id == "report":
                yield node.func.attr, node
