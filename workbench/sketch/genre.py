"""What describes a genre, and how are its patterns written?

Conventions
-----------
A pattern is one bar of sixteenth steps, 16 characters for four beats; in three-beat bars the
first 12 are played. In every pattern ``.`` rests and ``-`` holds the note before it.

- Drums: ``X`` accent, ``x`` hit, ``o`` ghost note, ``?`` ghost note played about every second bar.
- Bass: ``r`` root, ``3`` third, ``5`` fifth, ``8`` octave.
- Chords: ``x`` or ``X`` the whole chord, a digit 0..3 one tone of it (arpeggio).
- Lead: any ``x`` starts a note of the tune.

Several patterns for one voice are alternatives; the seed draws one. Progressions are scale
degrees, one chord per bar, 1 = tonic. Voices are names in `workbench.sketch.voices` and
`workbench.sketch.drums`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

Patterns = tuple[str, ...]

HIT_GAIN = MappingProxyType({"X": 1.0, "x": 0.8, "o": 0.4, "?": 0.4})
"""How loud each drum character is, relative to an accent."""


@dataclass(frozen=True)
class Genre:
    """Everything that makes one genre sound like itself; see the module for the notation.

    `level_db` is the level of the body of the piece relative to full scale (RMS), `swing` the
    share of the beat at which the off-beat eighth falls (0 = straight), `duck` how far the
    kick pushes the chords down (0..1), `reverb` the share of echo (0..1), `crackle`
    the level of vinyl noise (0..1), `sevenths` whether chords have four tones, `chord_low` the
    lowest MIDI note of a chord, `energy` a shift of every section (0 = none), `fade_s` the fade
    at the end, `build` whether sections grow louder before a chorus.
    """

    name: str
    words: tuple[str, ...]
    tempo_bpm: float
    mode: str
    progressions: tuple[tuple[int, ...], ...]
    drums: Mapping[str, Patterns]
    bass: str
    bass_patterns: Patterns
    chords: str
    chord_patterns: Patterns
    lead: str
    lead_patterns: Patterns
    pad: str = ""
    sevenths: bool = False
    meter: int = 4
    swing: float = 0.0
    jitter_ms: float = 2.0
    reverb: float = 0.25
    reverb_s: float = 1.0
    duck: float = 0.0
    crackle: float = 0.0
    level_db: float = -16.0
    chord_low: int = 55
    energy: float = 0.0
    fade_s: float = 1.5
    build: bool = False
    gains_db: Mapping[str, float] = field(default_factory=dict)
