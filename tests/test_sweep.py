"""Sweeps: the grid, its order, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.errors import RequestError
from workbench.request import Request
from workbench.sweep import Sweep

BASE = Request(tags="jazz", duration_s=30)


def test_seeds_vary_slowest_whatever_the_order_of_the_axes() -> None:
    sweep = Sweep(BASE, seed=[3, 1], tags=["a", "b"], duration_s=[10, 20])
    rounds = [cell.request.seed for cell in sweep]
    assert rounds == [3] * 4 + [1] * 4
    assert len(sweep) == 8
    by_round: dict[int, list[tuple[str, float]]] = {}
    for cell in sweep:
        by_round.setdefault(cell.round, []).append((cell.request.tags, cell.request.duration_s))
    assert by_round[3] == by_round[1]  # seeds are paired across every other axis


def test_skipped_combinations_are_left_out() -> None:
    sweep = Sweep(
        BASE, tags=["a", "b"], duration_s=[10, 20], skip=[{"tags": "a", "duration_s": 20}]
    )
    assert [(c.request.tags, c.request.duration_s) for c in sweep] == [
        ("a", 10),
        ("b", 10),
        ("b", 20),
    ]


def test_an_option_is_an_axis_too() -> None:
    axes: dict[str, Any] = {"options.lora_scale": [0.5, 1.0]}
    sweep = Sweep(BASE, **axes)
    assert [dict(c.request.options) for c in sweep] == [{"lora_scale": 0.5}, {"lora_scale": 1.0}]


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ({"tags": []}, "no values"),
        ({"seed": [1, 1]}, "twice"),
        ({"colour": ["red"]}, "no such field"),
        ({"duration_s": [10, -1]}, "duration_s"),
        ({"tempo_bpm": [20]}, "tempo_bpm"),
    ],
)
def test_an_impossible_axis_is_refused_before_anything_runs(
    axes: dict[str, Any], said: str
) -> None:
    with pytest.raises(RequestError, match=said):
        Sweep(BASE, **axes)


def test_skipping_along_no_axis_is_refused() -> None:
    with pytest.raises(RequestError, match="no axis"):
        Sweep(BASE, tags=["a"], skip=[{"seed": 1}])


def test_json_gives_back_the_same_cells() -> None:
    sweep = Sweep(BASE, tags=["a", "b"], seed=range(2), skip=[{"tags": "a", "seed": 1}])
    again = Sweep.from_json(sweep.to_json())
    assert [c.request.digest for c in again] == [c.request.digest for c in sweep]
    with pytest.raises(RequestError, match="not \\['grid'\\]"):
        Sweep.from_json({**sweep.to_json(), "grid": []})
