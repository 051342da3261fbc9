"""What shall be played, and what was played? Two frozen values: `Plan` in, `Truth` out.

Conventions: times in seconds from the first sample, tempo in beats per minute, pitch classes
0..11 with C = 0 and sharps for names (``A# minor``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.sketch.genres import GENRES
from workbench.words import KeyName

SCALES: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
)
"""Semitones above the tonic of the seven degrees (natural minor)."""

TEMPO_RANGE_BPM = (30.0, 300.0)
DURATION_RANGE_S = (5.0, 600.0)
SWING_LIMIT = 0.75


@dataclass(frozen=True)
class Plan:
    """A piece, decided in full: the same plan gives the same samples.

    `swing` is the share of the beat at which its second eighth falls: 0 or 0.5 straight, 0.667
    triplets. `sections` are (name, weight) pairs that share the duration. `moods` are names in
    `workbench.sketch.moods`.

    Raises
    ------
    ValueError
        A field outside its range, or an unknown genre.

    Examples
    --------
    >>> plan = Plan("house", 124, 4, 0.0, 9, "minor", (("verse", 1.0),), 10.0, 0, False)
    >>> plan.key
    'A minor'
    """

    genre: str
    tempo_bpm: float
    meter: int
    swing: float
    tonic: int
    mode: str
    sections: tuple[tuple[str, float], ...]
    duration_s: float
    seed: int
    vocal: bool
    moods: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        checks = (
            (self.genre in GENRES, "genre"),
            (TEMPO_RANGE_BPM[0] <= self.tempo_bpm <= TEMPO_RANGE_BPM[1], "tempo_bpm"),
            (self.meter in (3, 4), "meter"),
            (0 <= self.swing <= SWING_LIMIT, "swing"),
            (self.tonic in range(12), "tonic"),
            (self.mode in SCALES, "mode"),
            (bool(self.sections) and all(w > 0 for _, w in self.sections), "sections"),
            (DURATION_RANGE_S[0] <= self.duration_s <= DURATION_RANGE_S[1], "duration_s"),
        )
        for good, field in checks:
            if not good:
                raise ValueError(f"{field}={getattr(self, field)!r} cannot be played")

    @property
    def key(self) -> str:
        """Tonic and mode in words."""
        return str(KeyName(self.tonic, self.mode))

    @property
    def beat_s(self) -> float:
        """Length of one beat."""
        return 60.0 / self.tempo_bpm

    @property
    def bar_s(self) -> float:
        """Length of one bar."""
        return self.meter * self.beat_s


@dataclass(frozen=True, eq=False)
class Truth:
    """What a rendering contains, known exactly. Beat k of the grid is at `k * 60 / tempo_bpm`."""

    tempo_bpm: float
    meter: int
    key: str
    genre: str
    swing: float
    beats_s: NDArray[np.float64]
    downbeats_s: NDArray[np.float64]
    sections: tuple[tuple[str, float, float], ...]

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, strings and lists; `from_json` is the way back.

        >>> truth = Truth(120.0, 4, "C major", "house", 0.0, np.arange(2) / 2, np.zeros(1), ())
        >>> Truth.from_json(truth.to_json()).beats_s.tolist()
        [0.0, 0.5]
        """
        return {
            "tempo_bpm": self.tempo_bpm,
            "meter": self.meter,
            "key": self.key,
            "genre": self.genre,
            "swing": self.swing,
            "beats_s": self.beats_s.tolist(),
            "downbeats_s": self.downbeats_s.tolist(),
            "sections": [list(section) for section in self.sections],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Truth:
        """Rebuild what `to_json` wrote."""
        arrays = {name: np.asarray(data[name], float) for name in ("beats_s", "downbeats_s")}
        sections = tuple((str(n), float(a), float(b)) for n, a, b in data["sections"])
        return cls(**{**data, **arrays, "sections": sections})
