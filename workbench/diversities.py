"""How much do the takes of a study differ from seed to seed?

Takes of one engine that differ in nothing but the seed form a group. Its distances are those of
`workbench.analysis.diversity`; the upper anchor of the index are the takes of other tags by the
same engine at the same length, where the study has some. The lower anchor is 0: a store never
makes one take twice. What an engine makes of one seed twice is a question of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from workbench.analysis.diversity import Spread, measure_diversity
from workbench.analysis.features import Features
from workbench.errors import AudioError
from workbench.request import AnyRequest
from workbench.store import Store
from workbench.take import State, Take

if TYPE_CHECKING:
    import pandas as pd

_SPREADS = ("aligned_mel_db", "aligned_chroma", "timbre_db", "tempo_octaves", "index")


def diversity(store: Store, name: str) -> pd.DataFrame:
    """Diversity across seeds, for each group of a study's finished takes.

    Parameters
    ----------
    store : Store
        Where the study is.
    name : str
        The study's name.

    Returns
    -------
    DataFrame
        A row per group of two takes or more: ``engine, tags, duration_s, takes, pairs``; each of
        ``aligned_mel_db`` (dB), ``aligned_chroma`` (0..1), ``timbre_db`` (dB), ``tempo_octaves``
        (0..0.5) and ``index`` (0 the same each time, 1 as different as other tags) as the median
        over pairs, with ``_low`` and ``_high``, its 95 % bootstrap interval by take;
        ``same_key_share``, ``identical_pairs``, ``other_tags_mel_db``; ``reason`` where a group
        could not be measured.

    Raises
    ------
    StoreError
        If there is no such study, or a take's audio is gone or damaged.

    Examples
    --------
    >>> import tempfile, workbench as wb
    >>> sweep = wb.Sweep(wb.Request(tags="house, 124 BPM", duration_s=6), seed=range(2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with wb.Study("trial", sweep, [wb.engine("sketch")], store=folder) as study:
    ...         _ = study.run(watch=lambda progress: None)
    ...         found = diversity(study.store, "trial")
    >>> int(found.takes[0]), bool(found.aligned_mel_db[0] > 1)
    (2, True)
    """
    import pandas as pd

    groups: dict[tuple[str, str], list[Take]] = {}
    for _, take in store.takes(name):
        if take and take.state is State.DONE:
            seedless = take.request.but(seed=0).digest
            groups.setdefault((take.engine, seedless), []).append(take)
    several = [takes for takes in groups.values() if len(takes) > 1]
    heard = {take.id: _features(store, take) for takes in groups.values() for take in takes}
    return pd.DataFrame([_row(takes, _rivals(takes, groups.values()), heard) for takes in several])


def _features(store: Store, take: Take) -> Features:
    clip = store.clip(take)
    return Features(clip.samples, clip.rate_hz)


def _rivals(takes: Sequence[Take], groups: Any) -> list[Take]:
    """Takes of other tags that may serve as the upper anchor."""
    first = takes[0]
    return [
        other
        for group in groups
        for other in group
        if other.engine == first.engine
        and type(other.request) is type(first.request)
        and _tags(other.request) != _tags(first.request)
        and _length_s(other.request) == _length_s(first.request)
    ]


def _tags(request: AnyRequest) -> str:
    return str(getattr(request, "tags", ""))


def _length_s(request: AnyRequest) -> float | None:
    return getattr(request, "duration_s", None)


def _row(
    takes: Sequence[Take], rivals: Sequence[Take], heard: dict[int, Features]
) -> dict[str, Any]:
    first = takes[0]
    row: dict[str, Any] = {
        "engine": first.engine,
        "tags": _tags(first.request),
        "duration_s": _length_s(first.request),
        "takes": len(takes),
    }
    try:
        found = measure_diversity(
            [heard[take.id] for take in takes], others=[heard[rival.id] for rival in rivals]
        )
    except AudioError as error:
        return row | {"reason": str(error)}
    row |= {key: value for key, value in asdict(found).items() if key not in _SPREADS}
    for name in _SPREADS:
        row |= _spread_columns(name, getattr(found, name))
    return row | {"reason": ""}


def _spread_columns(name: str, spread: Spread | None) -> dict[str, float | None]:
    if spread is None:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    return {name: spread.median, f"{name}_low": spread.low, f"{name}_high": spread.high}
