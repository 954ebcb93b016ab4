"""Every figure has a real picture in the docs, small enough to be in a repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.build_figures import drawn_figures
from docs.build_reference import figure_names, pictures
from docs.figure_digests import digest, read_digests

FOLDER = Path(__file__).parents[2] / "docs" / "images" / "figures"


@pytest.mark.parametrize("name", figure_names())
def test_a_figure_has_a_picture(name: str) -> None:
    found = pictures(name)
    assert found, f"draw it: python -m docs.build_figures {name}"
    for file in found:
        assert file.read_bytes().startswith(b"\x89PNG")
        assert file.stat().st_size < 60_000, file.name


def test_at_least_two_figures_are_shown_in_the_dark_too() -> None:
    assert sum(len(pictures(name)) == 2 for name in figure_names()) >= 2


def test_no_picture_is_left_over() -> None:
    wanted = {file.name for name in figure_names() for file in pictures(name)}
    assert {file.name for file in FOLDER.iterdir()} == wanted


def test_the_pictures_show_what_the_code_draws(tmp_path: Path) -> None:
    drawn = {picture: digest(figure) for _, picture, figure in drawn_figures(tmp_path)}
    kept = read_digests()
    stale = sorted({name for name in {*drawn, *kept} if drawn.get(name) != kept.get(name)})
    assert not stale, f"draw them again and look: python -m docs.build_figures; {stale}"
