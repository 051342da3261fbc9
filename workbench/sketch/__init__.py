"""The music core of the embedded engine: how does a plan become audio whose truth is known?

Pure functions of arrays and small frozen values. `plan_from_words` decides a `Plan`; `render`
plays it and returns its `Truth` (tempo, beats, downbeats, key, sections); `inpaint` and
`outpaint` edit existing audio with a `Seam` whose quality can be dialled.

Conventions: samples are float32, (2, n), 48 kHz, on the 16-bit grid, true peak at most -1 dBTP;
times in seconds from the first sample; beat k is at `k * 60 / tempo_bpm`. The same plan gives
the same samples.
"""

from __future__ import annotations

from workbench.sketch.drums import RATE_HZ
from workbench.sketch.edit import Seam, inpaint, outpaint
from workbench.sketch.genre import Genre
from workbench.sketch.genres import GENRES
from workbench.sketch.plan import Plan, Truth
from workbench.sketch.play import render
from workbench.sketch.words import plan_from_words

__all__ = [
    "GENRES",
    "RATE_HZ",
    "Genre",
    "Plan",
    "Seam",
    "Truth",
    "inpaint",
    "outpaint",
    "plan_from_words",
    "render",
]
