"""A sweep: a base request and the axes along which it varies. A declaration; nothing runs here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from workbench.errors import RequestError
from workbench.request import AnyRequest, request_from_json
from workbench.value import Json, Value

REPLICATE = "seed"
_OPTION = "options."


class Axis(Value):
    """One swept field and its values, in order.

    `name` is a field of the request, or ``options.NAME`` for something only one engine knows.
    """

    name: str
    values: tuple[Any, ...]

    @property
    def length(self) -> int:
        """Number of values."""
        return len(self.values)


class Cell(Value):
    """One place of the grid: its request and its value on each axis."""

    request: Any
    at: Mapping[str, Any]

    @property
    def round(self) -> Any:
        """The replicate (seed) this cell belongs to; a round holds every other axis once."""
        return self.at.get(REPLICATE, 0)


class Sweep(Value):
    """A base request and the axes along which it varies.

    Cells come round by round: every combination of the other axes for the first seed, then for
    the second, and so on. A run that stops early, for lack of budget say, therefore leaves whole
    rounds, and comparisons between tags or durations stay paired and balanced.

    Parameters
    ----------
    base : Request, Inpaint or Outpaint
    skip : sequence of mappings
        Combinations to leave out: a cell that matches every entry of one mapping is skipped.
    **axes : iterable
        A field's name and its values; seeds pair across all other axes.

    Raises
    ------
    RequestError
        If an axis is empty or unknown, repeats a value, or a cell is impossible.

    Examples
    --------
    >>> from workbench.request import Request
    >>> sweep = Sweep(Request(tags="jazz"), tags=["jazz", "house"], seed=range(2))
    >>> [(c.request.tags, c.request.seed) for c in sweep]
    [('jazz', 0), ('house', 0), ('jazz', 1), ('house', 1)]
    >>> Sweep.from_json(sweep.to_json()) == sweep
    True
    """

    base: Any
    axes: tuple[Axis, ...] = ()
    skip: tuple[Mapping[str, Any], ...] = ()

    def __init__(
        self, base: AnyRequest | Json, *, skip: Sequence[Json] = (), **axes: Iterable[Any]
    ) -> None:
        if isinstance(base, Mapping):
            base = request_from_json(base)
        declared = tuple(_axis(name, values) for name, values in axes.items())
        super().__init__(base=base, axes=declared, skip=tuple(skip))
        _check_skips(self)
        for _ in self:  # every cell is a valid request, known now and not half-way through a run
            pass

    def to_json(self) -> dict[str, Any]:
        """``{"base": ..., "axes": {name: values}, "skip": [...]}``."""
        data: dict[str, Any] = {"base": self.base.to_json()}
        data["axes"] = {axis.name: list(axis.values) for axis in self.axes}
        if self.skip:
            data["skip"] = [dict(s) for s in self.skip]
        return data

    @classmethod
    def from_json(cls, data: Json) -> Sweep:
        """Build from what `to_json` gave.

        Raises
        ------
        RequestError
            If a part is unknown or impossible.
        """
        unknown = set(data) - {"base", "axes", "skip"}
        if unknown:
            raise RequestError(f"a sweep has base, axes and skip, not {sorted(unknown)}.")
        if "base" not in data:
            raise RequestError("a sweep needs a base request with at least its tags.")
        return cls(data["base"], skip=data.get("skip", ()), **data.get("axes", {}))

    def __iter__(self) -> Iterator[Cell]:  # type: ignore[override]
        # Seeds vary slowest, so that an early stop leaves whole rounds.
        ordered = sorted(self.axes, key=lambda axis: axis.name != REPLICATE)
        names = [axis.name for axis in ordered]
        for values in product(*(axis.values for axis in ordered)):
            at = dict(zip(names, values, strict=True))
            if not any(_matches(at, entry) for entry in self.skip):
                yield Cell(request=_placed(self.base, at), at=at)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _axis(name: str, values: Iterable[Any]) -> Axis:
    kept = (values,) if isinstance(values, str) else tuple(values)
    if not kept:
        raise RequestError(f"the axis {name} has no values: give at least one or leave it out.")
    if len({repr(v) for v in kept}) < len(kept):
        raise RequestError(f"the axis {name} names a value twice.")
    return Axis(name=name, values=kept)


def _check_skips(sweep: Sweep) -> None:
    names = {axis.name for axis in sweep.axes}
    for entry in sweep.skip:
        if not set(entry) <= names:
            raise RequestError(f"skip names {sorted(set(entry) - names)}, which is no axis.")


def _matches(at: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    return all(at[name] == value for name, value in entry.items())


def _placed(base: AnyRequest, at: Mapping[str, Any]) -> AnyRequest:
    options = {n.removeprefix(_OPTION): v for n, v in at.items() if n.startswith(_OPTION)}
    fields = {n: v for n, v in at.items() if not n.startswith(_OPTION)}
    if options:
        fields["options"] = {**base.options, **options}
    return base.but(**fields)
