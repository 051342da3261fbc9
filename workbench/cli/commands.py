"""The commands, by what they are about; importing this registers them all."""

from __future__ import annotations

from workbench.cli import files, machine, notebooks, studies

__all__ = ["files", "machine", "notebooks", "studies"]
