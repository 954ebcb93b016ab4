"""What the docs say exists: commands, options, settings, reasons, links, files, code."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
from pydantic import BaseModel

from workbench.cli import cli
from workbench.config import Settings
from workbench.contracts import reader

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    + [ROOT / folder / "README.md" for folder in ("deploy", "notebooks", "reference", "warehouse")]
)
PAGE_NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
GENERATED = "docs/reference/"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str, language: str) -> list[str]:
    return [body for kind, body in FENCE.findall(text_of(name)) if kind == language]


def console_commands(name: str) -> list[str]:
    """The lines typed at a prompt, continued lines joined, without variables in front."""
    found = []
    for block in blocks(name, "console"):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            typed = re.fullmatch(r"\$ (?:[A-Z_]+=\S+ )*workbench (.*)", line)
            if typed:
                found.append(typed[1])
    return found


def inline_commands(name: str) -> list[str]:
    prose = FENCE.sub("", text_of(name))
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]
    return [span.removeprefix("workbench ") for span in spans if span.startswith("workbench ")]


def parse(arguments: list[str]) -> None:
    """Let click parse a command line as it would, without running it."""
    command: click.Command = cli
    context = cli.make_context("workbench", list(arguments))
    while isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        name, found, rest = command.resolve_command(context, rest)
        assert name is not None and found is not None
        if isinstance(found, click.Group) and not rest:
            return  # a group is named, not called
        command, context = found, found.make_context(name, rest, parent=context)


@pytest.mark.parametrize("name", [n for n in PAGE_NAMES if not n.startswith(GENERATED)])
def test_commands_parse(name: str) -> None:
    for line in [*console_commands(name), *inline_commands(name)]:
        try:
            parse(shlex.split(line))
        except click.MissingParameter:
            assert line in inline_commands(name), f"{name}: workbench {line} lacks an argument"
        except click.UsageError as error:
            pytest.fail(f"{name}: workbench {line}: {error.format_message()}")


def test_the_tour_has_fourteen_commands() -> None:
    assert len(console_commands("README.md")) == 14


def slug(heading: str) -> str:
    """The anchor that a heading gets."""
    plain = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower())
    return plain.strip().replace(" ", "-")


def anchors(page: Path) -> set[str]:
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", prose, re.MULTILINE)}


@pytest.mark.parametrize("name", PAGE_NAMES)
def test_links_resolve(name: str) -> None:
    page = ROOT / name
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", text_of(name))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{name}: {target}"
        if anchor:
            assert anchor in anchors(file), f"{name}: {target}"


@pytest.mark.parametrize("name", PAGE_NAMES)
def test_named_files_and_tests_exist(name: str) -> None:
    """Paths in code style, with a folder of the repository in front, are files."""
    folders = ("workbench", "flink_jobs", "tests", "docs", "reference", "notebooks", "deploy")
    for span in re.findall(r"`([^`\s]+)`", FENCE.sub("", text_of(name))):
        if "NAME" in span or not span.startswith(tuple(f"{folder}/" for folder in folders)):
            continue
        # tests/docs/test_guarantees.py looks at what comes behind the colons.
        assert (ROOT / span.partition("::")[0]).exists(), f"{name}: {span}"
    tests = "".join(file.read_text("utf-8") for file in (ROOT / "tests").rglob("test_*.py"))
    for test in re.findall(r"`(test_\w+)`", text_of(name)):
        assert f"def {test}(" in tests, f"{name}: {test}"


@pytest.mark.parametrize("name", PAGE_NAMES)
def test_python_compiles(name: str) -> None:
    for number, block in enumerate(blocks(name, "python"), 1):
        compile(block, f"{name} block {number}", "exec")


def test_pictures_are_small_enough_to_load() -> None:
    pictures = [file for file in (ROOT / "docs" / "images").rglob("*") if file.is_file()]
    assert pictures
    for picture in pictures:
        assert picture.suffix in (".png", ".svg") and picture.stat().st_size < 400_000, picture.name


def settings_of(model: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if isinstance(field.default, BaseModel):
            found |= settings_of(type(field.default), f"{name}.")
        elif prefix:  # `project` is a folder, not a setting
            found[prefix + name] = field.default
    return found


def test_the_guide_has_every_setting_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+\.\w+)` \| (.*?) \|", text_of("docs/guide.md"), re.MULTILINE)
    words = {None: "none", "": "empty"}
    wanted = {}
    for name, default in settings_of(Settings).items():
        plain = "" if default in ({}, ()) else default
        wanted[name] = words.get(plain, f"`{plain}`")
    assert dict(rows) == wanted


def reasons() -> dict[str, str]:
    """The table at the top of the reader: reason and dead-letter topic."""
    assert reader.__doc__
    return dict(re.findall(r"^([a-z][a-z0-9-]+) +(dlq\.\S+)", reader.__doc__, re.MULTILINE))


def test_every_reason_of_a_dead_letter_is_explained() -> None:
    assert len(reasons()) == 17
    rows = re.findall(
        r"^\| `([a-z0-9-]+)` \| `(dlq\.\S+)` \|", text_of("docs/architecture.md"), re.M
    )
    assert dict(rows) == reasons()
    guide = re.findall(r"^\| `([a-z0-9-]+)` \|", text_of("docs/guide.md"), re.MULTILINE)
    assert guide == list(reasons())


def tracked_texts() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("not a git checkout: nothing says which files are tracked")
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [file for file in files if file.is_file() and file.suffix not in (".png", ".gz")]


def test_no_file_names_a_folder_of_a_machine_or_a_package_server() -> None:
    home = r"(?<![\w.])/(?:work|root|home|Users)/[\w.]"
    server = r"https?://[^\s)\"'`]*(?:pypi|pythonhosted|maven|artifactory|nexus|/simple\b)"
    for file in tracked_texts():
        if file == Path(__file__).resolve():
            continue
        text = file.read_text(encoding="utf-8")
        found = re.search(f"{home}|{server}", text)
        assert not found, f"{file.relative_to(ROOT)}: {found and found[0]}"
