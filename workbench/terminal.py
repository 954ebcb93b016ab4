"""Text of strangers, made safe to be printed on a terminal."""

from __future__ import annotations

import unicodedata

#: Categories of Unicode that a terminal may act on: control, format, surrogate, private,
#: unassigned, and the two separators that break lines.
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def escape(text: str) -> str:
    r"""Return text on one line in which every character is one that is only seen.

    Examples
    --------
    >>> print(escape("a\x1b[2Jb\nc\u202e"))
    a\x1b[2Jb\nc\u202e
    """
    if text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character.isascii() and character.isprintable():
        return character
    if unicodedata.category(character) not in _HIDDEN:
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
