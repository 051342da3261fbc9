"""The commands, by what they are about; importing this registers them all."""

from __future__ import annotations

from workbench.cli import (
    accounts,
    desks,
    edits,
    files,
    machine,
    metrics,
    models,
    notebooks,
    power,
    rulers,
    serving,
    studies,
    study,
)

__all__ = [
    "accounts",
    "desks",
    "edits",
    "files",
    "machine",
    "metrics",
    "models",
    "notebooks",
    "power",
    "rulers",
    "serving",
    "studies",
    "study",
]
