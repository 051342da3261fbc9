"""ACE-Step 1.5 on this machine. Importing this loads no torch."""

from workbench.engines.local.engine import LocalEngine

__all__ = ["LocalEngine"]
