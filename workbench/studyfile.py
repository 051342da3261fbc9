"""A study written down as YAML: what the command line runs.

::

    name: tempo-by-tags
    store: runs/tempo-by-tags        # beside the place the command is run from
    budget_usd: 2
    engines:
      - sketch
      - {name: sketch, usd_per_hour: 0.1}
    base: {tags: lo-fi hip-hop, lyrics: "[inst]"}
    axes:
      tags: ["lo-fi, 75 BPM", "house, 124 BPM"]
      seed: {count: 4}               # or a list
      duration_s: [15, 30]
    skip:
      - {tags: "house, 124 BPM", duration_s: 30}
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import field_validator

from workbench.engines import engine
from workbench.engines.base import Engine
from workbench.errors import RequestError
from workbench.study import Study
from workbench.sweep import Sweep
from workbench.value import Value


class EngineChoice(Value):
    """An engine's name and what it takes."""

    model_config = Value.model_config | {"extra": "allow"}

    name: str

    def make(self) -> Engine:
        """The engine."""
        return engine(self.name, **(self.model_extra or {}))


class StudyFile(Value):
    """A study as a file says it; see the module's docstring."""

    name: str
    base: dict[str, Any]
    axes: Mapping[str, Any] = {}
    skip: tuple[dict[str, Any], ...] = ()
    engines: tuple[EngineChoice, ...] = (EngineChoice(name="sketch"),)
    store: str = ""
    budget_usd: str | int | float | None = None

    @field_validator("engines", mode="before")
    @classmethod
    def _names(cls, engines: Any) -> Any:
        return [{"name": e} if isinstance(e, str) else e for e in engines]

    @field_validator("axes", mode="before")
    @classmethod
    def _counts(cls, axes: Any) -> Any:
        return {name: _values(values) for name, values in axes.items()}

    @classmethod
    def read(cls, path: Path) -> StudyFile:
        """Read a YAML file.

        Raises
        ------
        FileNotFoundError
            If it is not there.
        RequestError
            If it is no YAML, or a field is unknown, missing or impossible.
        """
        if not path.is_file():
            raise FileNotFoundError(f"there is no study file {path}.")
        try:
            data = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            said = " ".join(str(error).split())
            raise RequestError(f"{path.name} is no YAML: {said}.") from None
        if not isinstance(data, dict):
            raise RequestError(f"{path.name} holds no study: write name, base and axes.")
        return cls(**data)

    def study(self, *, store: Path | None = None) -> Study:
        """The study, ready to run; `store` overrides what the file says."""
        sweep = Sweep(self.base, skip=self.skip, **self.axes)
        folder = store or Path(self.store or f"runs/{self.name}")
        engines = [choice.make() for choice in self.engines]
        return Study(self.name, sweep, engines, store=folder, budget_usd=self.budget_usd)


def _values(values: Any) -> Any:
    if isinstance(values, dict):
        if set(values) != {"count"} or not isinstance(values["count"], int):
            raise ValueError("write a list of values, or {count: N} for 0 to N-1")
        return list(range(values["count"]))
    return values if isinstance(values, list) else [values]
