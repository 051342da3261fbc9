"""The engines by name. An engine's module is loaded when it is first asked for."""

from __future__ import annotations

import weakref
from importlib import import_module
from inspect import signature
from typing import Any, NamedTuple

from workbench.engines.base import Engine
from workbench.errors import RequestError

_HOSTED = "workbench.engines.hosted"
# Name -> module and what to call in it. The one list of engines.
ENGINES: dict[str, tuple[str, str]] = {
    "sketch": ("workbench.engines.sketch", "SketchEngine"),
    "local": ("workbench.engines.local", "LocalEngine"),
    "runcomfy-base": (_HOSTED, "runcomfy_base"),
    "runcomfy-1.5": (_HOSTED, "runcomfy_1_5"),
    "runcomfy-elevenlabs": (_HOSTED, "runcomfy_elevenlabs"),
    "skystudio-simple": (_HOSTED, "skystudio_simple"),
    "skystudio-custom": (_HOSTED, "skystudio_custom"),
}
# A service's own name for a model -> the engine that serves it.
MODELS: dict[str, str] = {
    "acestep-ai/ace-step/text-to-audio": "runcomfy-base",
    "acestep-ai/ace-step/audio-inpaint": "runcomfy-base",
    "acestep-ai/ace-step/audio-outpaint": "runcomfy-base",
    "acestep-ai/ace-step-1.5/text-to-audio": "runcomfy-1.5",
    "elevenlabs/elevenlabs/music-generation": "runcomfy-elevenlabs",
    "ace-step-1.5": "skystudio-custom",
}


def is_hosted(name: str) -> bool:
    """Whether the engine of this name is a service behind HTTP."""
    return ENGINES.get(MODELS.get(name, name), ("", ""))[0] == _HOSTED


def engine(name: str, **options: Any) -> Engine:
    """An engine by name.

    Parameters
    ----------
    name : str
        One of `ENGINES`, or a service's own name for a model (`MODELS`). A local engine's model
        may follow a colon: "local:xl-turbo".
    **options
        What that engine takes, such as ``usd_per_hour``.

    Raises
    ------
    RequestError
        If there is no such engine, or it does not take an option.
    EngineUnavailable
        If it cannot run here; the message says what to install or set.

    Examples
    --------
    >>> engine("sketch").name
    'sketch'
    >>> engine("sketch", speed=11)
    Traceback (most recent call last):
    ...
    workbench.errors.RequestError: engine sketch does not take these options: speed.
    """
    name, _, model = MODELS.get(name, name).partition(":")
    if model:
        options = {"model": model, **options}
    if name not in ENGINES:
        raise RequestError(f"there is no engine {name!r}: choose from {', '.join(ENGINES)}.")
    module, maker = ENGINES[name]
    make = getattr(import_module(module), maker)
    known = signature(make).parameters
    unknown = [option for option in options if option not in known]
    if unknown:
        raise RequestError(f"engine {name} does not take these options: {', '.join(unknown)}.")
    made: Engine = make(**options)
    if module != _HOSTED and all(isinstance(v, _PLAIN) for v in options.values()):
        _RECIPES[made] = Recipe(name, module, maker, tuple(sorted(options.items())))
    return made


class Recipe(NamedTuple):
    """How an engine is made again in another process: plain values only, no secret among them."""

    name: str
    module: str
    maker: str
    options: tuple[tuple[str, str | int | float | bool | None], ...]

    def make(self) -> Engine:
        """The engine anew."""
        made: Engine = getattr(import_module(self.module), self.maker)(**dict(self.options))
        return made


_PLAIN = (str, int, float, bool, type(None))
_RECIPES: weakref.WeakKeyDictionary[Engine, Recipe] = weakref.WeakKeyDictionary()


def recipe(made: Engine) -> Recipe | None:
    """How to make an engine again elsewhere; None for a hosted one, whose secrets stay here, and
    for one that `engine` did not make from plain values.

    Examples
    --------
    >>> recipe(engine("sketch", usd_per_hour=1)).options
    (('usd_per_hour', 1),)
    """
    return _RECIPES.get(made)
