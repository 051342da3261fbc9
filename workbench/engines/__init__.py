"""The engines by name. An engine's module is loaded when it is first asked for."""

from __future__ import annotations

from importlib import import_module
from inspect import signature
from typing import Any

from workbench.engines.base import Engine
from workbench.errors import RequestError

# Name -> module and what to call in it. The one list of engines.
ENGINES: dict[str, tuple[str, str]] = {
    "sketch": ("workbench.engines.sketch", "SketchEngine"),
}


def engine(name: str, **options: Any) -> Engine:
    """An engine by name.

    Parameters
    ----------
    name : str
        One of `ENGINES`.
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
    if name not in ENGINES:
        raise RequestError(f"there is no engine {name!r}: choose from {', '.join(ENGINES)}.")
    module, maker = ENGINES[name]
    make = getattr(import_module(module), maker)
    known = signature(make).parameters
    unknown = [option for option in options if option not in known]
    if unknown:
        raise RequestError(f"engine {name} does not take these options: {', '.join(unknown)}.")
    made: Engine = make(**options)
    return made
