"""The commands, by what they are about; importing this registers them all."""

from __future__ import annotations

from workbench.cli import (
    accounts,
    edits,
    files,
    machine,
    metrics,
    models,
    notebooks,
    rulers,
    serving,
    studies,
)

__all__ = [
    "accounts",
    "edits",
    "files",
    "machine",
    "metrics",
    "models",
    "notebooks",
    "rulers",
    "serving",
    "studies",
]
