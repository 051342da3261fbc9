"""The fields of the engines' public contracts, read as a request.

A command line or script written for a hosted service says ``duration`` and ``start_time``; this
module reads those names, and ours, into the same `Request`, `Inpaint` or `Outpaint`.
"""

from __future__ import annotations

import secrets
from typing import Any

from workbench.errors import RequestError
from workbench.request import SEED_MAX, AnyRequest, request_from_json
from workbench.value import Json

# Contract field -> ours, for fields that only change their name.
_SAME = {
    "prompt": "tags",
    "duration": "duration_s",
    "bpm": "tempo_bpm",
    "vocal_language": "language",
    "audio": "source",
    "extend_before_duration": "before_s",
    "extend_after_duration": "after_s",
}
_SPAN = {
    "start_time": "start_s",
    "end_time": "end_s",
    "start_time_relative_to": "start_from",
    "end_time_relative_to": "end_from",
}
_OPTIONS = ("output_format", "format")
_INSTRUMENTAL = ("instrumental", "force_instrumental")


def request_from_contract(data: Json) -> AnyRequest:
    """Read the fields of a public contract, or ours, as a request.

    A seed of -1, or none, is drawn here, so that the take can be made again.

    Raises
    ------
    RequestError
        If a field is unknown or impossible.
    FileNotFoundError
        If the source is a file that is not there.

    Examples
    --------
    >>> wish = request_from_contract({"tags": "jazz", "lyrics": "[inst]", "duration": 90})
    >>> wish.duration_s, wish.instrumental, wish.seed >= 0
    (90.0, True, True)
    >>> edit = request_from_contract({"audio": "https://a.example/b.mp3", "tags": "jazz",
    ...                               "start_time": 15, "start_time_relative_to": "end",
    ...                               "end_time": 0, "end_time_relative_to": "end"})
    >>> edit.span.resolve(60)
    (45.0, 60.0)
    """
    wish: dict[str, Any] = {}
    span: dict[str, Any] = {}
    for name, value in data.items():
        if name in _SPAN:
            span[_SPAN[name]] = value
        elif name in _OPTIONS:
            wish.setdefault("options", {})[name] = value
        elif name == "music_length_ms":
            wish["duration_s"] = _number(name, value) / 1000
        elif name in _INSTRUMENTAL:
            if value:
                wish["lyrics"] = "[inst]"
        else:
            wish[_SAME.get(name, name)] = value
    if span:
        wish["span"] = span
    if wish.get("seed", -1) == -1:
        wish["seed"] = secrets.randbelow(SEED_MAX + 1)
    return request_from_json({"kind": _kind(wish), **wish})


def _kind(wish: Json) -> str:
    if "kind" in wish:
        return str(wish["kind"])
    if "before_s" in wish or "after_s" in wish:
        return "outpaint"
    return "inpaint" if "source" in wish else "text"


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise RequestError(f"{name}: {value!r} is no number.") from None
