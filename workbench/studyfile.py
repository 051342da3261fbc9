"""A study written down as YAML: what the command line runs.

::

    name: tempo-by-tags
    store: runs/tempo-by-tags        # beside the place the command is run from
    budget_usd: 2
    loopback: true                   # hosted engines speak to a server of our own, on this machine
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

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import field_validator

from workbench.engines import engine, is_hosted
from workbench.engines.base import Engine
from workbench.errors import EngineUnavailable, RequestError
from workbench.study import Study
from workbench.sweep import Sweep
from workbench.value import Value

if TYPE_CHECKING:
    from workbench.engines.hosted import Settings as HostedSettings


class EngineChoice(Value):
    """An engine's name and what it takes."""

    model_config = Value.model_config | {"extra": "allow"}

    name: str

    def make(self, loopback: str = "") -> Engine:
        """The engine; a hosted one speaks to the server at `loopback` where that is given."""
        options = dict(self.model_extra or {})
        if loopback and is_hosted(self.name):
            options["settings"] = _loopback_settings(loopback)
        return engine(self.name, **options)


class StudyFile(Value):
    """A study as a file says it; see the module's docstring."""

    name: str
    base: dict[str, Any]
    axes: Mapping[str, Any] = {}
    skip: tuple[dict[str, Any], ...] = ()
    engines: tuple[EngineChoice, ...] = (EngineChoice(name="sketch"),)
    store: str = ""
    budget_usd: str | int | float | None = None
    loopback: bool = False

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

    @contextmanager
    def study(self, *, store: Path | None = None) -> Iterator[Study]:
        """The study, ready to run; `store` overrides what the file says.

        Raises
        ------
        RequestError
            If a part of it is impossible.
        EngineUnavailable
            If an engine cannot run here, or the server is asked for and not installed.
        """
        folder = store or Path(self.store or f"runs/{_as_folder(self.name)}")
        sweep = Sweep(self.base, skip=self.skip, **self.axes)
        with ExitStack() as stack:
            base = stack.enter_context(_loopback_server(folder)) if self.loopback else ""
            engines = [choice.make(base) for choice in self.engines]
            made = Study(self.name, sweep, engines, store=folder, budget_usd=self.budget_usd)
            yield stack.enter_context(made)


@contextmanager
def _loopback_server(folder: Path) -> Iterator[str]:
    """Our own server over `sketch`, for as long as the study runs; gives its base address."""
    try:
        from workbench.server import Settings, running_server
    except ModuleNotFoundError as error:
        raise EngineUnavailable(
            f"loopback needs our server ({error.name} is missing): pip install 'workbench[server]'."
        ) from None
    with running_server(Settings(engine=engine("sketch"), folder=folder / "server")) as base:
        yield base


def _loopback_settings(base: str) -> HostedSettings:
    """The hosted engines' settings for our own open server: it takes any well-formed token."""
    from workbench.engines.hosted import Settings as HostedSettings

    return HostedSettings.from_env(
        {
            "RUNCOMFY_MODEL_API_BASE": f"{base}/v1",
            "RUNCOMFY_SERVERLESS_API_BASE": f"{base}/prod/v2",
            "RUNCOMFY_WEB_BASE": f"{base}/api/cli-auth",
            "SKYSTUDIO_API_BASE": f"{base}/api/v1",
            "RUNCOMFY_TOKEN": "loopback",
            "SKYSTUDIO_API_KEY": "sk-loopback",  # pragma: allowlist secret
        }
    )


def _as_folder(name: str) -> str:
    """A folder's name made of a study's, which may hold anything.

    Examples
    --------
    >>> _as_folder("tempo-by-tags"), _as_folder("../../evil <b>"), _as_folder("..")
    ('tempo-by-tags', 'evil-b', 'study')
    """
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "study"


def _values(values: Any) -> Any:
    if isinstance(values, dict):
        if set(values) != {"count"} or not isinstance(values["count"], int):
            raise ValueError("write a list of values, or {count: N} for 0 to N-1")
        return list(range(values["count"]))
    return values if isinstance(values, list) else [values]
