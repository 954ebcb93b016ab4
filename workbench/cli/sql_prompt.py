"""Where the shell's lines come from: an editor with history and completion, or plain input."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import Completer
    from prompt_toolkit.input import Input
    from prompt_toolkit.output import Output

PROMPT, MORE = "lake> ", "   ...> "
#: Statements that are remembered.
HISTORY_ENTRIES = 1_000
#: A longer history file is cut to its newest entries when the shell opens.
HISTORY_BYTES = 1_000_000
Complete = Callable[[str], bool]
Words = Callable[[str, str], Iterable[tuple[str, str]]]


class Prompt(Protocol):
    """Asks for the next statement or command."""

    def ask(self) -> str:
        """Return it, all lines of it.

        Raises
        ------
        EOFError
            When there is nothing more to come.
        KeyboardInterrupt
            When the person has dropped what was typed.
        """
        ...


def prompt_for(complete: Complete, words: Words) -> Prompt:
    """Return the editor on a terminal that can show one, plain input elsewhere."""
    able = sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return EditorPrompt(complete, words) if able else PlainPrompt(complete)


class PlainPrompt:
    """Lines from standard input until they make a statement.

    Parameters
    ----------
    complete
        Whether a text is a whole statement or command.
    """

    def __init__(self, complete: Complete) -> None:
        self._complete = complete

    def ask(self) -> str:
        """See `Prompt.ask`."""
        text = input(PROMPT)
        while not self._complete(text):
            text = f"{text}\n{input(MORE)}"
        return text


class EditorPrompt:
    """Lines from a terminal: several lines are one entry, Tab completes, the arrows look back.

    Parameters
    ----------
    complete
        Whether a text is a whole statement or command: Enter then sends it.
    words
        What the word at the cursor may become, with its kind, given the text around it.
    terminal_input, terminal_output
        Where keys come from and text goes; the process's terminal when None.
    """

    def __init__(
        self,
        complete: Complete,
        words: Words,
        terminal_input: Input | None = None,
        terminal_output: Output | None = None,
    ) -> None:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.application import get_app
        from prompt_toolkit.filters import Condition
        from prompt_toolkit.history import FileHistory, InMemoryHistory

        file = open_history()
        unfinished = Condition(lambda: not complete(get_app().current_buffer.text))
        self._session: PromptSession[str] = PromptSession(
            PROMPT,
            multiline=unfinished,
            prompt_continuation=MORE,
            history=FileHistory(str(file)) if file else InMemoryHistory(),
            completer=names_completer(words),
            complete_while_typing=False,
            input=terminal_input,
            output=terminal_output,
        )

    def ask(self) -> str:
        """See `Prompt.ask`."""
        return self._session.prompt()


def names_completer(words: Words) -> Completer:
    """Return the editor's completer: the words that fit, with their kinds beside them."""
    from prompt_toolkit.completion import CompleteEvent, Completer, Completion
    from prompt_toolkit.document import Document

    from workbench.lake.completion import word_before

    class Names(Completer):
        def get_completions(
            self, document: Document, complete_event: CompleteEvent
        ) -> Iterable[Completion]:
            before, after = document.text_before_cursor, document.text_after_cursor
            length = len(word_before(before))
            for text, kind in words(before, after):
                yield Completion(text, start_position=-length, display_meta=kind)

    return Names()


def history_file() -> Path:
    """Return where statements are remembered: the state folder of the user, not of a project."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "workbench" / "sql_history"


def open_history() -> Path | None:
    """Make the history file fit: readable by its owner alone, and not too long.

    None where it cannot be written: the shell then remembers until it ends.
    """
    file = history_file()
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # What was typed may name accounts: nobody else needs to read it.
        os.close(os.open(file, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
        file.chmod(0o600)
        _shorten(file)
        return file
    return None


def _shorten(file: Path) -> None:
    """Keep the newest entries; each begins with an empty line, as prompt_toolkit writes them."""
    content = file.read_bytes()
    entries = content.split(b"\n\n")
    if len(entries) <= HISTORY_ENTRIES and len(content) <= HISTORY_BYTES:
        return
    kept = b"\n\n".join(entries[-HISTORY_ENTRIES // 2 :])
    if len(kept) > HISTORY_BYTES:
        kept = kept[kept.find(b"\n\n", len(kept) - HISTORY_BYTES // 2) :]
    temporary = file.with_suffix(".tmp")
    descriptor = os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(b"\n" + kept.lstrip(b"\n"))
    temporary.replace(file)
