"""Plans to render in the tests of the music core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from workbench.sketch import GENRES, Plan

PlanMaker = Callable[..., Plan]


@pytest.fixture(scope="session")
def plan_of() -> PlanMaker:
    """A plan of a genre as it is usually played, with any field replaced."""

    def make(genre: str = "indie pop", **changes: Any) -> Plan:
        usual = GENRES[genre]
        plan = Plan(
            genre=genre,
            tempo_bpm=usual.tempo_bpm,
            meter=usual.meter,
            swing=usual.swing,
            tonic=9,
            mode=usual.mode,
            sections=(("chorus", 1.0),),
            duration_s=8.0,
            seed=1,
            vocal=False,
        )
        return replace(plan, **changes)

    return make
