"""Queries that are kept under a name: ``queries/NAME.sql`` of the project folder."""

from __future__ import annotations

import re
from pathlib import Path

from workbench.config import Settings
from workbench.errors import UsageError, did_you_mean, quoted

FOLDER = "queries"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class SavedQueries:
    """The saved queries of a project; plain files, to be edited and kept like code.

    Parameters
    ----------
    settings
        The settings in force.
    """

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.project / FOLDER

    def names(self) -> list[str]:
        """Return the names, sorted."""
        return sorted(file.stem for file in self.folder.glob("*.sql") if _NAME.fullmatch(file.stem))

    def read(self, name: str) -> str:
        """Return the text of a query.

        Raises
        ------
        UsageError
            Where there is none; names the nearest.
        """
        file = self._file(name)
        if not file.is_file():
            known = self.names()
            hint = did_you_mean(name, known) if known else "`.save NAME` keeps the last one"
            raise UsageError(f"no saved query {quoted(name)}", hint=hint)
        try:
            return file.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise UsageError(f"{file} is not UTF-8 text", hint="save it as UTF-8") from error

    def save(self, name: str, text: str, *, replace: bool = False) -> Path:
        """Keep a query; returns its file.

        Raises
        ------
        UsageError
            For a name that is none, or one that is taken by another text.
        """
        file = self._file(name)
        content = f"{text.strip().rstrip(';').rstrip()};\n"
        if file.is_file() and not replace and self.read(name) != content:
            raise UsageError(
                f"{name!r} is another query already", hint=f".save {name} replace puts this there"
            )
        self.folder.mkdir(exist_ok=True)
        file.write_text(content, encoding="utf-8")
        return file

    def _file(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{quoted(name)} is no name for a query", hint="use letters, digits, _ and -"
            )
        return self.folder / f"{name}.sql"
