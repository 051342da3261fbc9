"""Frozen values with a JSON form and a stable digest.

A value is compared, stored and recognised by what it says. Its digest leaves out every field
that still has its default, so a field added later does not change the digest of what was
written before. The price of that rule: a default, once released, never changes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from workbench.errors import RequestError

Json = Mapping[str, Any]


def canonical_json(data: object) -> str:
    """One text for one content: sorted keys, no blanks, no NaN.

    Examples
    --------
    >>> canonical_json({"b": 1, "a": [1.5, "é"]})
    '{"a":[1.5,"é"],"b":1}'
    """
    return json.dumps(
        data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest(data: object) -> str:
    """SHA-256 of the canonical JSON, as 64 hexadecimal digits.

    Examples
    --------
    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(canonical_json(data).encode()).hexdigest()


def sentence(error: ValidationError) -> str:
    """A validation error as one sentence that names the field and the fault.

    Examples
    --------
    >>> class Point(Value):
    ...     x: float
    >>> Point(x="left")
    Traceback (most recent call last):
    ...
    workbench.errors.RequestError: x: input should be a valid number, unable to parse string as \
a number (got 'left').
    """
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    said = first["msg"].removeprefix("Value error, ").rstrip(".")
    if first["type"] == "extra_forbidden":
        return f"{where}: there is no such field."
    if first["type"] == "missing":
        return f"{where}: this field is required."
    if first["type"] == "value_error":
        return f"{where}: {said}." if where else f"{said}."
    shown = repr(first["input"])
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    said = said[0].lower() + said[1:]
    return f"{where}: {said} (got {shown})." if where else f"{said} (got {shown})."


class Value(BaseModel):
    """Base of the frozen values: checked on the way in, unknown fields refused.

    Raises
    ------
    RequestError
        One sentence that names the field and what is wrong with it.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, ser_json_inf_nan="strings"
    )

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise RequestError(sentence(error)) from None

    def __hash__(self) -> int:
        return hash(self.digest)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data; fields at their default are left out."""
        return self.model_dump(mode="json", exclude_defaults=True)

    @classmethod
    def from_json(cls, data: Json) -> Self:
        """Build from what `to_json` gave.

        Raises
        ------
        RequestError
            If a field is unknown, missing or impossible.
        """
        return cls(**data)

    def but(self, **changes: Any) -> Self:
        """A copy with some fields changed, checked like a new value."""
        return type(self)(**{**dict(self), **changes})

    @property
    def digest(self) -> str:
        """Stable name of this content: 64 hexadecimal digits."""
        return digest([type(self).__name__, self.to_json()])
