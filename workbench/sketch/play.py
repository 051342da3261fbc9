"""How does a plan sound? Genre, moods, score and synthesis in one call."""

from __future__ import annotations

from workbench.sketch.drums import RATE_HZ, Stereo
from workbench.sketch.genres import GENRES
from workbench.sketch.moods import moved
from workbench.sketch.plan import Plan, Truth
from workbench.sketch.score import compose
from workbench.sketch.synth import perform


def render(plan: Plan, *, fade: bool = True) -> tuple[Stereo, Truth]:
    """Play a plan.

    Parameters
    ----------
    plan : what to play.
    fade : whether the piece fades at its end; False for a part of a longer piece.

    Returns
    -------
    Samples (2, round(duration_s * 48000)), float32 on the 16-bit grid, true peak at most
    -1 dBTP; and the truth about them.

    Examples
    --------
    >>> plan = Plan("rock", 120, 4, 0.0, 4, "minor", (("verse", 1.0),), 5.0, 0, False)
    >>> samples, truth = render(plan)
    >>> samples.shape, truth.key, truth.beats_s[:3].tolist()
    ((2, 240000), 'E minor', [0.0, 0.5, 1.0])
    """
    genre = moved(GENRES[plan.genre], plan.moods)
    events, truth = compose(plan, genre)
    return perform(events, genre, n=round(plan.duration_s * RATE_HZ), fade=fade), truth
