"""A study's places, takes and measurements as columns, read with as little Python as can be.

What rows say as JSON is read by Arrow, many at a time. The measurements of all takes that share a
layout (see `packed`) are one array of numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from workbench.cost import Charge
from workbench.database import Database
from workbench.packed import TEXTS
from workbench.request import Request
from workbench.words import parse_tags, tempo_in_tags, without_tempo

if TYPE_CHECKING:
    import pandas as pd

Column = npt.NDArray[np.float64]
# A column as Arrow has it, whose classes have no types.
Arrow = Any

# Axes that a column of their own shows already.
_OWN_COLUMN = {"tags", "seed", "duration_s", "lyrics", "key", "tempo_bpm", "tempo_carrier"}
_WISH = {
    "kind": "string",
    "tags": "string",
    "lyrics": "string",
    "seed": "int64",
    "tempo_bpm": "float64",
    "tempo_carrier": "string",
    "key": "string",
    "duration_s": "float64",
}
_QUOTE = {"amount_usd": "string", "credits": "string"}
_CHARGE = {**_QUOTE, "source": "string"}
# Rows that are turned into columns together: few enough to stay in the processor's cache.
_TURNED_AT_ONCE = 500


class Rows(NamedTuple):
    """Places with the takes that count and what was measured of them, column by column."""

    round: Sequence[str]
    at: Sequence[str]
    wish: Sequence[str]
    engine: Sequence[str]
    take_id: Sequence[int | None]
    state: Sequence[str | None]
    reason: Sequence[str | None]
    quote: Sequence[str | None]
    charge: Sequence[str | None]
    wall_s: Sequence[float | None]
    received_seed: Sequence[int | None]
    truth_tempo_bpm: Sequence[float | None]
    truth_key: Sequence[str | None]
    notes: Sequence[str | None]
    audio: Sequence[str | None]
    started_at: Sequence[str | None]
    layout: Sequence[int | None]
    numbers: Sequence[bytes | None]


def columns(database: Database, batches: Iterable[Sequence[list[Any]]]) -> pd.DataFrame:
    """The columns of a study, in plan order.

    Parameters
    ----------
    database : Database
        Of a store.
    batches : iterable
        What the study's rows have in each field of `Rows`, some rows at a time.
    """
    import pandas as pd
    import pyarrow as pa  # type: ignore[import-untyped]

    placed: list[Arrow] = []
    axes: dict[str, list[Any]] = {}
    count = 0
    layouts: list[int | None] = []
    numbers: list[bytes | None] = []
    for batch in batches:
        rows = Rows(*batch)
        placed.append(pa.table(_placed(rows)))
        layouts += rows.layout
        numbers += rows.numbers
        _add_axes(axes, rows.at, count)
        count = len(layouts)
    if not placed:
        return pd.DataFrame()
    frame = pa.concat_tables(placed).to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    frame["seed"] = frame["seed"].astype("int64")
    further = {f"axis_{name}": axes[name] for name in sorted(axes)}
    return pd.DataFrame({**frame, **further, **_measured(database, layouts, numbers)})


# Places and their takes


def _placed(rows: Rows) -> dict[str, Arrow]:
    import pyarrow as pa
    from pyarrow import compute as pc

    text = pa.string()
    return {
        "take_id": pa.array(rows.take_id, pa.int64()),
        "engine": pa.array(rows.engine, text),
        "state": pc.fill_null(pa.array(rows.state, text), "missing"),
        "reason": pc.fill_null(pa.array(rows.reason, text), ""),
        "round": pa.array(rows.round, text),
        **_asked(rows.wish),
        **_cost("quoted", rows.quote, _QUOTE),
        **_cost("charged", rows.charge, _CHARGE),
        "wall_s": pa.array(rows.wall_s, pa.float64()),
        "received_seed": pa.array(rows.received_seed, pa.int64()),
        "truth_tempo_bpm": pa.array(rows.truth_tempo_bpm, pa.float64()),
        "truth_key": pa.array(rows.truth_key, text),
        "notes": _each(
            pc.fill_null(pa.array(rows.notes, text), "[]"),
            lambda notes: "; ".join(json.loads(notes)),
            text,
        ),
        "audio": pc.fill_null(pa.array(rows.audio, text), ""),
        "started_at": pa.array(rows.started_at, text),
    }


def _fields(texts: Sequence[str | None], kinds: Mapping[str, str]) -> Arrow:
    """These fields of JSON objects, empty where one has none; other fields are passed over."""
    import pyarrow as pa
    from pyarrow import json as arrow_json

    said = "\n".join([text or "{}" for text in texts]).encode()
    fields = [(name, getattr(pa, kind)()) for name, kind in kinds.items()]
    return arrow_json.read_json(
        pa.BufferReader(said),
        # One block: a row must not lie across two.
        read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(said) + 1),
        parse_options=arrow_json.ParseOptions(
            explicit_schema=pa.schema(fields), unexpected_field_behavior="ignore"
        ),
    )


def _each(column: Arrow, read: Callable[[str], Any], kind: Arrow) -> Arrow:
    """What is read from each text, reading equal ones once."""
    import pyarrow as pa

    coded = column.dictionary_encode()
    return pa.array(map(read, coded.dictionary.to_pylist()), kind).take(coded.indices)


def _asked(wishes: Sequence[str]) -> dict[str, Arrow]:
    """What requests say, from their JSON: they were checked and tidied before they were kept."""
    import pyarrow as pa
    from pyarrow import compute as pc

    said = _fields(wishes, _WISH).combine_chunks()
    given = {name: said[name].combine_chunks() for name in _WISH}

    def field(name: str) -> Arrow:
        default = Request.model_fields[name].default
        return given[name] if default is None else pc.fill_null(given[name], default)

    kind, tags = field("kind"), given["tags"]
    spoken = _each(tags, tempo_in_tags, pa.float64())
    return {
        "kind": kind,
        "tags": tags,
        "style": _each(tags, _style, pa.string()),
        "lyrics": field("lyrics"),
        "seed": field("seed"),
        "asked_tempo_bpm": pc.coalesce(given["tempo_bpm"], spoken),
        "tempo_carrier": field("tempo_carrier"),
        "asked_key": field("key"),
        # An edit is as long as its source makes it.
        "asked_duration_s": pc.if_else(pc.equal(kind, "text"), field("duration_s"), None),
    }


def _style(tags: str) -> str:
    return ", ".join(without_tempo(parse_tags(tags)))


def _add_axes(axes: dict[str, list[Any]], texts: Sequence[str], count: int) -> None:
    """Values of the axes that have no column of their own, after the `count` that are known."""
    for start in range(0, len(texts), _TURNED_AT_ONCE):
        some = texts[start : start + _TURNED_AT_ONCE]
        ats: list[dict[str, Any]] = json.loads(f"[{','.join(some)}]")
        for name in set(axes).union(*ats) - _OWN_COLUMN:
            axes.setdefault(name, [None] * (count + start)).extend(at.get(name) for at in ats)


def _cost(what: str, texts: Sequence[str | None], kinds: Mapping[str, str]) -> dict[str, Arrow]:
    """What quotes or charges say; no dollars where they are in credits of no known price."""
    import pyarrow as pa
    from pyarrow import compute as pc

    said, known = _fields(texts, kinds), pa.array([text is not None for text in texts])
    amounts = (pc.fill_null(said[name], "0") for name in ("amount_usd", "credits"))
    amount_usd, credits_ = (pc.cast(amount, pa.float64()) for amount in amounts)
    in_credits = pc.and_(pc.equal(amount_usd, 0), pc.not_equal(credits_, 0))
    found = {
        f"{what}_usd": pc.if_else(pc.and_not(known, in_credits), amount_usd, None),
        f"{what}_credits": pc.if_else(known, credits_, None),
    }
    if "source" in kinds:
        source = pc.fill_null(said["source"], Charge.model_fields["source"].default)
        found["charge_source"] = pc.if_else(known, source, None)
    return found


# Measurements


def _measured(
    database: Database, layouts: Sequence[int | None], numbers: Sequence[bytes | None]
) -> dict[str, Any]:
    """Values under their names, then reasons beside them."""
    held = _held(database, layouts, numbers)
    text_of = _Texts(database, [column for (_, holds), column in held.items() if holds in TEXTS])
    found: dict[str, Any] = {}
    for name in sorted({name for name, _ in held}):
        values = held.get((name, "number"), np.full(len(layouts), np.nan))
        flags, texts = held.get((name, "flag")), held.get((name, "text"))
        if flags is not None:
            values = np.where(np.isnan(values), flags, values)
        found[name] = values if texts is None else _either(text_of(texts), values)
    reasons = {name: column for (name, holds), column in held.items() if holds == "reason"}
    return found | {f"{name}_reason": text_of(reasons[name]) for name in sorted(reasons)}


def _held(
    database: Database, layouts: Sequence[int | None], numbers: Sequence[bytes | None]
) -> dict[tuple[str, str], Column]:
    """For each name and what slots of it hold, a column of numbers, NaN where there are none."""
    layout_of = np.array([layout or 0 for layout in layouts])
    said = database.rows(
        "SELECT id, said FROM layouts WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(np.unique(layout_of).tolist()),),
    )
    found: dict[tuple[str, str], Column] = {}
    for layout, slots in said:
        columns = []
        for name, _, holds in json.loads(slots):
            if (name, holds) not in found:
                found[name, holds] = np.full(len(layouts), np.nan)
            columns.append(found[name, holds])
        rows = np.flatnonzero(layout_of == layout)
        for start in range(0, len(rows), _TURNED_AT_ONCE):
            some = rows[start : start + _TURNED_AT_ONCE]
            packed = b"".join([numbers[row] or b"" for row in some.tolist()])
            by_slot = np.frombuffer(packed, "<f8").reshape(len(some), -1).T
            for column, values in zip(columns, by_slot, strict=True):
                column[some] = values
    return found


class _Texts:
    """Texts by their numbers, fetched together."""

    def __init__(self, database: Database, columns: Sequence[Column]) -> None:
        import pyarrow as pa

        used = [np.unique(column[~np.isnan(column)]) for column in columns]
        self._ids = np.unique(np.concatenate(used)) if used else np.empty(0)
        rows = database.rows(
            "SELECT said FROM texts WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",
            (json.dumps(self._ids.astype(int).tolist()),),
        )
        self._said = pa.array([row[0] for row in rows], pa.string())

    def __call__(self, column: Column) -> pd.Series[str]:
        """A column of texts; empty where there is no number."""
        import pyarrow as pa

        places = pa.array(np.searchsorted(self._ids, column), mask=np.isnan(column))
        series: pd.Series[str] = self._said.take(places).to_pandas()
        return series


def _either(texts: pd.Series[str], values: Column) -> pd.Series[Any]:
    """Texts, and numbers where there are numbers instead."""
    known = ~np.isnan(values)
    return texts.astype(object).where(~known, values) if known.any() else texts
