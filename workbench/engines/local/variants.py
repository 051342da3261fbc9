"""The variants of ACE-Step 1.5, and how each must be sampled.

The library's defaults (8 steps, shift 3, guidance 7) fit none of them as they stand, and a wrong
shift is a known cause of bad audio: so every variant brings its own. Sizes are those of all parts
in bfloat16. Two variants have no known repository in the layout that diffusers reads.

References: ACE-Step 1.5's own inference settings; diffusers' AceStepPipeline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

EVERY_TASK = frozenset({"text2music", "repaint", "cover", "extract", "lego", "complete"})
MUSIC_TASKS = frozenset({"text2music", "repaint", "cover"})


@dataclass(frozen=True)
class Variant:
    """One set of weights.

    Attributes
    ----------
    name : str
    repository : str
        On the Hugging Face hub, in the layout of diffusers; empty where none is known.
    official : bool
        Whether the authors of ACE-Step published it there.
    steps : int
    shift, guidance : float
        Of the sampler; guidance 1 is none.
    tasks : frozenset of str
        What it was trained for.
    size_bytes : int
        About, in bfloat16.
    """

    name: str
    repository: str
    official: bool
    steps: int
    shift: float
    guidance: float
    tasks: frozenset[str]
    size_bytes: int


_2B, _XL = 6_300_000_000, 11_500_000_000
VARIANTS: Mapping[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant(
            "turbo", "Runware/acestep-v15-turbo-diffusers", False, 8, 3.0, 1.0, MUSIC_TASKS, _2B
        ),
        Variant("base", "Runware/acestep-v15-base-diffusers", False, 50, 1.0, 7.0, EVERY_TASK, _2B),
        Variant("sft", "", False, 50, 1.0, 7.0, MUSIC_TASKS, _2B),
        Variant(
            "xl-turbo",
            "ACE-Step/acestep-v15-xl-turbo-diffusers",
            True,
            8,
            3.0,
            1.0,
            MUSIC_TASKS,
            _XL,
        ),
        Variant(
            "xl-base", "ACE-Step/acestep-v15-xl-base-diffusers", True, 50, 1.0, 7.0, EVERY_TASK, _XL
        ),
        Variant("xl-sft", "", False, 50, 1.0, 7.0, MUSIC_TASKS, _XL),
    )
}
