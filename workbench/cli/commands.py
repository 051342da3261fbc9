"""The commands, by what they are about; importing this registers them all."""

from __future__ import annotations

from workbench.cli import accounts, files, machine, notebooks, serving, studies

__all__ = ["accounts", "files", "machine", "notebooks", "serving", "studies"]
