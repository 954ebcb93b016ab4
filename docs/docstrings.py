"""NumPy docstrings as Markdown: what the pages of functions are made of."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

Section = tuple[str, str]


def page(function: Callable[..., Any], module: str, level: str = "#") -> str:
    """Return what the docstring of a function says, as Markdown with a heading.

    Parameters
    ----------
    function
        With a NumPy docstring.
    module
        What it is imported from.
    level
        The hashes of its heading.
    """
    summary, sections = parse(inspect.getdoc(function) or "")
    parts = [
        f"{level} {function.__name__}\n",
        f"```text\n{module}.{function.__name__}{_signature(function)}\n```\n",
        _prose(summary),
    ]
    for name, body in sections:
        parts.append(f"{level}# {name}\n")
        if name == "Examples":
            parts.append(f"```pycon\n{_example(body)}\n```\n")
        elif name in ("Parameters", "Raises"):
            parts.append(_items(body))
        elif name == "Returns":
            parts.append(_prose(inspect.cleandoc("\n" + body.partition("\n")[2])))
        else:
            parts.append(_prose(body))
    return "\n".join(parts)


def parse(text: str) -> tuple[str, list[Section]]:
    """Split a docstring into what stands before its first section, and the sections.

    Examples
    --------
    >>> parse("Add up.\\n\\nReturns\\n-------\\nint\\n    The sum.")
    ('Add up.', [('Returns', 'int\\n    The sum.')])
    """
    head, *rest = re.split(r"^(\w[\w ]*)\n-{3,}\n", text, flags=re.MULTILINE)
    bodies = (body.rstrip() for body in rest[1::2])
    return head.strip(), list(zip(rest[::2], bodies, strict=True))


def _signature(function: Callable[..., Any]) -> str:
    """Names and defaults, each argument on a line of its own where they are many."""
    signature = inspect.signature(function)
    plain = signature.replace(
        parameters=[
            each.replace(annotation=inspect.Parameter.empty)
            for each in signature.parameters.values()
        ],
        return_annotation=inspect.Signature.empty,
    )
    return str(plain)


def _items(body: str) -> str:
    """Names that stand at the margin, each with the text indented under it."""
    lines = []
    for name, text in re.findall(r"^(\S.*)\n((?:(?: {4}.*)?\n?)*)", body, re.MULTILINE):
        told = " ".join(text.split())
        lines.append(f"- **{name}**: {_inline(told)}")
    return "\n".join(lines) + "\n"


def _example(body: str) -> str:
    return re.sub(r"\s*# doctest:.*", "", body)


def _prose(text: str) -> str:
    """Paragraphs, one line each."""
    paragraphs = (" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip()))
    return "\n\n".join(_inline(paragraph) for paragraph in paragraphs) + "\n"


def _inline(text: str) -> str:
    """Double backticks of reStructuredText, and names of things, as code."""
    return text.replace("``", "`")
