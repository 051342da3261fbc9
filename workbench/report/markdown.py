"""The report as Markdown: the same facts as the page, without players."""

from __future__ import annotations

import re
from typing import Any

from workbench.report import page

_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~$])")


def render(facts: dict[str, Any]) -> str:
    """Markdown from what `page.facts` says."""
    environment = page.environment(autoescape=False)
    environment.filters["plain"] = plain
    return environment.get_template("report.md.j2").render(facts)


def plain(text: object) -> str:
    """Text from outside on one line, shown by Markdown as it is.

    Examples
    --------
    >>> print(plain("a_b | <i>"))
    a\\_b \\| \\<i\\>
    """
    return _MARKS.sub(r"\\\1", " ".join(str(text).split()))
