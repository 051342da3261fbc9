"""What the pages tell people to type exists: commands, options, scripts, files behind links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import workbench.cli.commands  # noqa: F401  (registers the commands)
from workbench.cli.app import app

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "how-to").glob("*.md")),
    *sorted((ROOT / "experiments").glob("*/README.md")),
]
COMMANDS: Any = typer.main.get_command(app)


def lines_of_code(text: str) -> Iterator[str]:
    """Lines of fenced blocks that are no Python, continued ones joined, and code within lines."""
    text = text.replace("\\\n", " ")
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.S | re.M):
        if language in ("", "sh"):
            yield from block.splitlines()
    for code in re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)):
        yield " ".join(code.split())


def strange(line: str) -> str:
    """What of a command line of ours does not exist; empty if all does, or it is none of ours."""
    line = re.sub(r"\s+#.*", "", line.strip())
    if not re.match(r"(\.venv/bin/)?workbench( |$)", line):
        return ""
    words, command = shlex.split(line)[1:], COMMANDS
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        name = words.pop(0).rstrip(",")
        if name not in command.commands:
            return f"there is no command {name!r}: {line}"
        several = line.count(",") and not any(word.startswith("-") for word in words)
        if several:  # "workbench keys, serve": names of commands, and no more
            return "".join(strange(f"workbench {word.strip(',')}") for word in words)
        command = command.commands[name]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    wrong = [word for word in words if word.startswith("-") and word != "-"]
    wrong = [word for word in wrong if word.partition("=")[0] not in known]
    return f"there is no option {wrong[0]}: {line}" if wrong else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_says_to_type_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [wrong for line in lines_of_code(text) if (wrong := strange(line))] == []
    scripts = set(re.findall(r"\bexperiments/[\w./-]+\.(?:py|yml)", text))
    assert [name for name in scripts if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    near = [link for link in links if "://" not in link]
    assert [link for link in near if not (page.parent / link).exists()] == []


def test_a_command_or_an_option_that_is_not_there_is_seen() -> None:
    assert "no command 'sweeep'" in strange("workbench sweeep study.yml")
    assert "no option --daks" in strange(".venv/bin/workbench sweep a.yml --daks tcp://a")
    assert "no command 'infos'" in strange("workbench study infos runs/demo")
    assert strange("workbench study gc runs/demo --remove  # removes") == ""
    assert strange("dask worker --nthreads 1") == ""
