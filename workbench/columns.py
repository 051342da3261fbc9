"""A study's places, takes and measurements as columns, read with as few Python rows as can be.

A measurement is a row of its own in the database, some forty-five to a take. SQLite packs what is
said of one take into three JSON lists (names, words, reasons), which are few different texts and
so parsed once each; only numbers are fetched one by one, into an array, so that not a bit is lost
in writing them as text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, get_args

import numpy as np
import numpy.typing as npt

from workbench.database import Database
from workbench.request import AnyRequest
from workbench.words import parse_tags, tempo_in_tags, without_tempo

if TYPE_CHECKING:
    import sqlite3

    import pandas as pd

_PLACES_AT_ONCE = 10_000
_PLACES = (
    # A finished take counts before any other; else the newest.
    "SELECT p.position, p.round, p.at, p.request AS wish, p.engine AS asked_engine, t.id, "
    "t.state, t.reason, t.quote, t.charge, t.received, t.truth, t.notes, t.audio, t.started_at, "
    "t.wall_s FROM plan p LEFT JOIN takes t ON t.id = (SELECT id FROM takes "
    "WHERE key = p.key ORDER BY state = 'done' DESC, id DESC LIMIT 1) "
    "WHERE p.study_id = ? AND p.position > ? "
    "AND (? = 0 OR p.key IN (SELECT key FROM takes WHERE changed > ?)) "
    "ORDER BY p.position LIMIT ?"
)
_NUMBER = "typeof(value) IN ('real', 'integer')"
_OF_TAKES = "FROM measurements WHERE take_id IN (SELECT value FROM json_each(?))"
# Along the primary key, (take_id, name): the order in which the numbers come too.
_SAID = (
    f"SELECT take_id, json_group_array(iif({_NUMBER} AND reason = '', name, "
    f"json_array(name, iif({_NUMBER}, 0, value), reason))) AS said {_OF_TAKES} GROUP BY take_id"
)
_NUMBERS = f"SELECT value {_OF_TAKES} AND {_NUMBER} ORDER BY take_id, name"

# Axes that a column of their own shows already.
_OWN_COLUMN = ("tags", "seed", "duration_s", "lyrics", "key", "tempo_bpm", "tempo_carrier")

Text = TypeVar("Text", str, "str | None")
Read = TypeVar("Read")
Objects = npt.NDArray[np.object_]


def parts(database: Database, study_id: int, since: int = 0) -> Iterator[pd.DataFrame]:
    """The columns of a study some thousand places at a time, in plan order.

    Parameters
    ----------
    database : Database
        Of a store.
    study_id : int
    since : int
        Only places whose takes changed after this change; 0 for all.
    """
    position = -1
    while True:
        with database.snapshot():  # what is said and the numbers must be of one moment
            values = (study_id, position, since, since, _PLACES_AT_ONCE)
            places = database.rows(_PLACES, values)
            take_ids = json.dumps([row["id"] for row in places if row["id"]])
            said = database.rows(_SAID, (take_ids,))
            numbers = database.numbers(_NUMBERS, (take_ids,))
        if not places:
            return
        position = places[-1]["position"]
        frame = _placed(places)
        yield frame.join(_measured(said, numbers), on="take_id") if said else frame


def _once(texts: Iterable[Text], read: Callable[[Text], Read]) -> list[Read]:
    """What is read from each text, reading equal ones once."""
    texts = list(texts)
    found = {text: read(text) for text in dict.fromkeys(texts)}
    return [found[text] for text in texts]


def _loaded(texts: Sequence[str | None]) -> list[dict[str, Any]]:
    """JSON objects, parsed together; what is absent is empty."""
    different = list(dict.fromkeys(texts))
    parsed = json.loads(f"[{','.join(text or '{}' for text in different)}]")
    found = dict(zip(different, parsed, strict=True))
    return [found[text] for text in texts]


# Places and their takes


def _placed(places: Sequence[sqlite3.Row]) -> pd.DataFrame:
    import pandas as pd

    of = dict(zip(places[0].keys(), zip(*places, strict=True), strict=True))
    columns = {
        "position": of["position"],
        "take_id": of["id"],
        "engine": of["asked_engine"],
        "state": [state or "missing" for state in of["state"]],
        "reason": [reason or "" for reason in of["reason"]],
        "round": of["round"],
        **_asked(_loaded(of["wish"])),
        **_further_axes(_loaded(of["at"])),
        **_cost("quoted", of["quote"]),
        **_cost("charged", of["charge"]),
        "charge_source": _once(of["charge"], _charge_source),
        "wall_s": of["wall_s"],
        "received_seed": [_whole(said.get("seed")) for said in _loaded(of["received"])],
        "truth_tempo_bpm": [known.get("tempo_bpm") for known in _loaded(of["truth"])],
        "truth_key": [known.get("key") for known in _loaded(of["truth"])],
        "notes": _once(of["notes"], lambda text: "; ".join(json.loads(text or "[]"))),
        "audio": [audio or "" for audio in of["audio"]],
        "started_at": of["started_at"],
    }
    return pd.DataFrame(columns)


def _asked(wishes: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """What requests say, from their JSON: they were checked and tidied before they were kept."""
    kinds = [wish.get("kind", "text") for wish in wishes]

    def field(name: str) -> list[Any]:
        default = {
            made.model_fields["kind"].default: getattr(made.model_fields.get(name), "default", None)
            for made in get_args(AnyRequest)
        }
        return [wish.get(name, default[kind]) for wish, kind in zip(wishes, kinds, strict=True)]

    tags = field("tags")
    spoken = _once(tags, tempo_in_tags)
    return {
        "kind": kinds,
        "tags": tags,
        "style": _once(tags, lambda text: ", ".join(without_tempo(parse_tags(text)))),
        "lyrics": field("lyrics"),
        "seed": field("seed"),
        "asked_tempo_bpm": [
            said if tempo_bpm is None else tempo_bpm
            for tempo_bpm, said in zip(field("tempo_bpm"), spoken, strict=True)
        ],
        "tempo_carrier": field("tempo_carrier"),
        "asked_key": field("key"),
        "asked_duration_s": field("duration_s"),
    }


def _further_axes(ats: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for at in ats for name in at)
    further = [name for name in names if name not in _OWN_COLUMN]
    return {f"axis_{name}": [at.get(name) for at in ats] for name in further}


def _cost(what: str, texts: Sequence[str | None]) -> dict[str, list[float | None]]:
    costs = _loaded(texts)
    both = list(zip(costs, texts, strict=True))
    return {
        f"{what}_usd": [_dollars(cost) if text else None for cost, text in both],
        f"{what}_credits": [float(cost.get("credits", 0)) if text else None for cost, text in both],
    }


def _dollars(cost: Mapping[str, Any]) -> float | None:
    """Dollars of a quote or charge; None where it is in credits whose price nobody has told."""
    amount_usd = float(cost.get("amount_usd", 0))
    return None if not amount_usd and float(cost.get("credits", 0)) else amount_usd


def _charge_source(text: str | None) -> str | None:
    return str(json.loads(text).get("source", "reported")) if text else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) else None


# Measurements


class _Said(NamedTuple):
    """What is said of one take: the columns that its numbers belong to, its words, its reasons."""

    numbers: npt.NDArray[np.int64]
    words: Mapping[int, str]
    reasons: Mapping[int, str]


def _measured(rows: Sequence[sqlite3.Row], numbers: npt.NDArray[np.float64]) -> pd.DataFrame:
    """Measurements with a row per take: values under their names, reasons beside them."""
    import pandas as pd

    column_of: dict[str, int] = {}
    said = _once((row["said"] for row in rows), lambda text: _read(text, column_of))
    values = np.full((len(column_of), len(rows)), np.nan)
    row_of = np.repeat(np.arange(len(rows)), [len(take.numbers) for take in said])
    values[np.concatenate([take.numbers for take in said]), row_of] = numbers
    words = _laid([take.words for take in said])
    reasons = _laid([take.reasons for take in said])
    columns: dict[str, Any] = {}
    for name, column in column_of.items():
        columns[name] = values[column]
        if column in words:
            columns[name] = _either(words[column], values[column])
    columns |= {f"{n}_reason": reasons[c] for n, c in column_of.items() if c in reasons}
    return pd.DataFrame(columns, index=[row["take_id"] for row in rows])


def _read(text: str, column_of: dict[str, int]) -> _Said:
    """What the database packed; a name not met before becomes the next column."""
    numbers: list[int] = []
    words: dict[int, str] = {}
    reasons: dict[int, str] = {}
    said: list[Any] = json.loads(text)
    for item in said:
        name, value, reason = (item, 0, "") if type(item) is str else tuple(item)
        column = column_of.setdefault(name, len(column_of))
        if value == 0:
            numbers.append(column)
        elif value is not None:
            words[column] = value
        if reason:
            reasons[column] = reason
    return _Said(np.array(numbers, dtype=np.int64), words, reasons)


def _laid(texts: Sequence[Mapping[int, str]]) -> dict[int, Objects]:
    """A column for each number that any take has a text under; None where it has none."""
    found = sorted({column for of_take in texts for column in of_take})
    return {c: np.array([of_take.get(c) for of_take in texts], dtype=object) for c in found}


def _either(words: Objects, values: npt.NDArray[np.float64]) -> Objects:
    """Words, and numbers where there are numbers instead."""
    known = ~np.isnan(values)
    words[known] = values[known]
    return words
