"""Completion in magic cells, through IPython's matchers: the same in JupyterLab and a terminal."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult
from IPython.core.interactiveshell import InteractiveShell

from workbench.lake.completion import complete, word_before
from workbench.notebook.arguments import FORMS, OPTIONS

_CELL = re.compile(r"\s*%%(\w+)")
_LINE = re.compile(r"(?:.*=)?\s*%(\w+)\s")
_FORM = re.compile(r"(?:-o|--output)(?:=|\s+)(\w*)$")
_OPTION = re.compile(r"\s(--?[\w-]*)$")


class Matcher:
    """Completes the words of our magics, and leaves every other cell alone.

    Parameters
    ----------
    shell
        The shell whose magics count.
    is_ours
        Whether a registered magic is one of ours: another extension may own ``%%sql``.
    """

    matcher_api_version = 2
    matcher_identifier = "workbench.sql"

    def __init__(self, shell: InteractiveShell, is_ours: Callable[[Any], bool]) -> None:
        # IPython looks for it on every matcher.
        self.__qualname__ = self.matcher_identifier
        self.shell = shell
        self._is_ours = is_ours

    def __call__(self, context: CompletionContext) -> SimpleMatcherResult:
        """Return what the word at the cursor may become; nothing outside our magics."""
        asked = self._query(context)
        if asked is None:
            return {"completions": []}
        before, after, head = asked
        fragment, found = self._found(before, after, head)
        return {
            "completions": [SimpleCompletion(text, type=kind) for text, kind in found],
            "matched_fragment": fragment,
            # Python's names mean nothing here; jedi is kept out as well.
            "suppress": True,
            "ordered": True,
        }

    def _found(self, before: str, after: str, head: bool) -> tuple[str, list[tuple[str, str]]]:
        if head and (form := _FORM.search(before)):
            return form[1], [(name, "value") for name in FORMS if name.startswith(form[1])]
        if head and (option := _OPTION.search(before)):
            return option[1], [(name, "param") for name in OPTIONS if name.startswith(option[1])]
        values = [name for name in self.shell.user_ns if not name.startswith("_")]
        found = complete(before, after, values)
        return word_before(before), [(candidate.text, candidate.kind) for candidate in found]

    def _query(self, context: CompletionContext) -> tuple[str, str, bool] | None:
        """The text before and after the cursor, and whether it is still the magic's own line."""
        lines = context.full_text.split("\n")
        line = lines[context.cursor_line]
        before, after = line[: context.cursor_position], line[context.cursor_position :]
        if cell := _CELL.match(context.full_text):
            if not self._owns("cell", cell[1]):
                return None
            text = "\n".join([*lines[: context.cursor_line], before])
            if len(text) <= cell.end():
                return None
            rest = "\n".join([after, *lines[context.cursor_line + 1 :]])
            first = not text[cell.end() :].count("\n")
            return text[cell.end() :], rest, first
        magic = _LINE.match(before)
        if magic is None or not self._owns("line", magic[1]):
            return None
        return before[magic.end() - 1 :], after, True

    def _owns(self, kind: str, name: str) -> bool:
        return self._is_ours(self.shell.magics_manager.magics[kind].get(name))
