"""Is the served OpenAPI true? schemathesis calls every operation with valid and invalid data.

A generated address of source audio would be a call to somebody: it is turned to this machine, which
the server refuses before it calls. Sources that are fetched are `test_sources.py`'s.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.server.conftest import SineEngine, sine
from workbench.engines.base import Attempt, Delivery, Outcome
from workbench.server import Limits, Settings, create_app, make_key, running_server

# Made offline, to give the test its operations; the calls go to a running server.
_SCHEMA = schemathesis.openapi.from_dict(
    create_app(Settings(SineEngine(), Path("unopened"))).openapi()
)
# Fields that must fit one another cannot be told in OpenAPI: two tempi in the tags are refused.
_BEYOND_OPENAPI: list[Any] = [positive_data_acceptance]


@dataclass(frozen=True)
class Target:
    base_url: str
    token: str


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("server")
    token = make_key(folder, "fuzz", balance_usd=1000, credits=10**6)
    limits = Limits(submits_per_minute=10**6, active_max=10**6)
    with running_server(Settings(_Mute(), folder, limits=limits)) as base_url:
        yield Target(base_url, token)


class _Mute(SineEngine):
    """A tenth of a second for every wish: the audio is not the question."""

    def generate(self, attempts: Sequence[Attempt]) -> Iterator[Outcome]:
        for attempt in attempts:
            yield attempt, Delivery(audio=sine(0.1), sent={})


@_SCHEMA.parametrize()
@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
def test_every_operation_keeps_its_word(case: Case[Any], target: Target) -> None:
    if isinstance(case.body, dict):
        for name, value in case.body.items():
            if isinstance(value, str) and re.match(r"\s*https?:", value, re.IGNORECASE):
                case.body[name] = "https://127.0.0.1/song.wav"
    case.call_and_validate(
        base_url=target.base_url,
        headers={"Authorization": f"Bearer {target.token}"},
        excluded_checks=_BEYOND_OPENAPI,
    )
