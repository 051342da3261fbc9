"""The planner on a tiny random language model: it says nonsense, and the answer still parses."""

from __future__ import annotations

import pytest
import torch

from tests.local.tiny import write_tiny_planner
from workbench.engines.local.planner import _VALUES, Planner
from workbench.errors import EngineUnavailable, RequestError
from workbench.request import Request


@pytest.fixture(scope="module")
def planner(tmp_path_factory: pytest.TempPathFactory) -> Planner:
    return Planner(str(write_tiny_planner(tmp_path_factory.mktemp("planner"))))


def test_every_field_is_a_value_that_exists(planner: Planner) -> None:
    for seed in range(4):
        found = planner.compile("rain on a roof", duration_s=30, instrumental=True, seed=seed)
        for name, values in _VALUES.items():
            assert found.fields[name] in values, name
        assert found.fields["duration"] == "30"
        assert found.prompt
        assert found.mode == "instrumental"


def test_the_seed_decides_and_the_global_state_stays(planner: Planner) -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, again, other = (
        planner.compile("rain", duration_s=30, instrumental=True, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    assert torch.equal(state, torch.get_rng_state())


def test_what_is_fixed_stays(planner: Planner) -> None:
    wish = Request(tags="rain on a roof, 84 BPM", lyrics="[inst]", key="A minor", duration_s=30)
    expanded = planner.expand(wish)
    assert expanded.asked_tempo_bpm == 84
    assert expanded.key == "A minor"
    assert expanded.lyrics == "[inst]"
    assert expanded.duration_s == 30
    assert expanded.tags != wish.tags


def test_words_are_written_where_singing_is_asked_for(planner: Planner) -> None:
    found = planner.compile("rain", duration_s=30, instrumental=False)
    assert found.lyrics
    assert len(found.lyrics) <= 4000


@pytest.mark.parametrize(
    ("idea", "fixed"), [("", {}), ("rain", {"bpm": "999"}), ("rain", {"mood": "blue"})]
)
def test_impossible_ideas_are_refused(planner: Planner, idea: str, fixed: dict[str, str]) -> None:
    with pytest.raises(RequestError):
        planner.compile(idea, duration_s=30, instrumental=True, fixed=fixed)


def test_absent_weights_are_said() -> None:
    with pytest.raises(EngineUnavailable, match="hf download nobody/nothing"):
        Planner("nobody/nothing")
