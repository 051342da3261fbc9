"""Where is the clip silent, when does the music end, and does it end or merely stop?

Conventions: times in seconds from the first sample, good to one cell of `KWeighted` (about 1 ms)
and late by the ringing of the weighting filter, about 20 ms after loud low notes.

A place is *silent* when its K-weighted loudness lies under -60 LUFS or 40 LU under the integrated
loudness, whichever is higher. That is read cell by cell and not from blocks of 0.4 s: any such
block that touches sound is loud, so that no gap under 0.4 s could ever be seen in them.

Measures: `silence` (with `lead_s`, `tail_s`, `gaps`, `music_end_s`) and `abrupt_end`.

References: ITU-R BS.1770-4 (weighting and integrated loudness).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.analysis.loudness import KWeighted, loudness_lufs, power_lufs
from workbench.analysis.products import DoubleArray
from workbench.errors import AudioError

SILENCE_LUFS = -60.0
SILENCE_UNDER_LU = 40.0
SHORTEST_GAP_S = 0.25
END_S = 0.05
END_REFERENCE_S = 2.0
END_DROP_LU = 20.0
# A quiet ending is judged against the music, not only against its own last seconds: in a long
# fade the last two seconds are as faint as the last fiftieth of one, and nothing is cut there.
_END_BELOW_MUSIC_LU = 10.0


@dataclass(frozen=True)
class Silence:
    """The silent stretches of a clip.

    Parameters
    ----------
    lead_s, tail_s : float
        Silence before the first and after the last sound.
    gaps : tuple of (float, float)
        Start and end of each inner silence of 0.25 s or more.
    music_end_s : float
        When the last sound ends: the clip's length less `tail_s`.
    """

    lead_s: float
    tail_s: float
    gaps: tuple[tuple[float, float], ...]
    music_end_s: float


def silence(weighted: KWeighted) -> Silence:
    """Silence before, after and inside the music.

    Parameters
    ----------
    weighted : KWeighted
        The filtered clip.

    Returns
    -------
    Silence
        Lengths and places, in seconds.

    Raises
    ------
    AudioError
        If the clip is shorter than 0.4 s, or silent throughout.

    Examples
    --------
    >>> clip = np.zeros((1, 48_000 * 3), np.float32)
    >>> clip[0, 48_000:96_000] = 0.1 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)
    >>> found = silence(KWeighted.of(clip, 48_000))
    >>> round(found.lead_s, 1), round(found.tail_s, 1), found.gaps
    (1.0, 1.0, ())
    """
    threshold = max(SILENCE_LUFS, loudness_lufs(weighted) - SILENCE_UNDER_LU)
    sounding = np.flatnonzero(power_lufs(weighted.power) >= threshold)
    if not sounding.size:
        raise AudioError("silent: no part of the clip reaches -60 LUFS")
    jumps = np.flatnonzero(np.diff(sounding) > SHORTEST_GAP_S / weighted.cell_s)
    gaps = tuple(
        (float(sounding[i] + 1) * weighted.cell_s, float(sounding[i + 1]) * weighted.cell_s)
        for i in jumps
    )
    # Sound in the last whole cell goes on into the rest of the clip, shorter than a cell.
    at_end = sounding[-1] == len(weighted.power) - 1
    end_s = weighted.duration_s if at_end else float(sounding[-1] + 1) * weighted.cell_s
    return Silence(
        lead_s=float(sounding[0]) * weighted.cell_s,
        tail_s=weighted.duration_s - end_s,
        gaps=gaps,
        music_end_s=end_s,
    )


def _mean_lufs(power: DoubleArray) -> float:
    return float(power_lufs(power.mean()))


def abrupt_end(weighted: KWeighted) -> bool:
    """Whether the music stops at full level instead of ending.

    The last 50 ms of the music are compared with its last 2 s: less than 20 LU under them is
    abrupt. Silence after the music is set aside first, so that padding cannot hide the cut.

    Parameters
    ----------
    weighted : KWeighted
        The filtered clip.

    Returns
    -------
    bool
        True if cut.

    Raises
    ------
    AudioError
        If the music is shorter than 2 s, or the clip is silent.

    Notes
    -----
    The last 2 s count as no fainter than 10 LU under the whole: without that every slow fade
    would be called abrupt.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(48_000 * 4) / 48_000).astype(np.float32)[None]
    >>> faded = tone * np.linspace(1, 0, tone.size, dtype=np.float32)
    >>> abrupt_end(KWeighted.of(tone, 48_000)), abrupt_end(KWeighted.of(faded, 48_000))
    (True, False)
    """
    end_s = silence(weighted).music_end_s
    if end_s < END_REFERENCE_S:
        raise AudioError(f"too short: its ending needs 2 s of music, there are {end_s:.2f} s")
    music = weighted.power[: round(end_s / weighted.cell_s)]
    last = _mean_lufs(music[-round(END_S / weighted.cell_s) :])
    recent = _mean_lufs(music[-round(END_REFERENCE_S / weighted.cell_s) :])
    whole = loudness_lufs(weighted) - _END_BELOW_MUSIC_LU
    return max(recent, whole) - last < END_DROP_LU
