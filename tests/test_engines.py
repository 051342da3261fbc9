"""One contract that every engine passes: the embedded one, and the hosted ones over real HTTP."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.clip import Clip
from workbench.engines import ENGINES, MODELS, engine, is_hosted
from workbench.engines.base import Attempt, Delivery, Engine, Event
from workbench.engines.hosted import Settings
from workbench.engines.sketch import SketchEngine
from workbench.errors import RequestError
from workbench.request import Request
from workbench.server import Settings as ServerSettings
from workbench.server import running_server
from workbench.value import canonical_json

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
WISH = Request(tags="house, 124 BPM", lyrics="[inst]", duration_s=10, seed=3)


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of the hosted engines for a server of our own."""
    folder = tmp_path_factory.mktemp("server")
    with running_server(ServerSettings(SketchEngine(), folder)) as base:
        yield Settings.from_env(
            {
                "RUNCOMFY_MODEL_API_BASE": f"{base}/v1",
                "RUNCOMFY_SERVERLESS_API_BASE": f"{base}/prod/v2",
                "SKYSTUDIO_API_BASE": f"{base}/api/v1",
                "RUNCOMFY_TOKEN": "any",
                "SKYSTUDIO_API_KEY": "sk-any",  # pragma: allowlist secret
            }
        )


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model of random numbers for the local engine."""
    from tests.local.tiny import write_tiny

    return write_tiny(tmp_path_factory.mktemp("weights"))


@pytest.fixture(params=ENGINES)
def made(request: pytest.FixtureRequest, far: Settings) -> Engine:
    """Each engine in turn."""
    name = request.param
    if name == "local":
        return engine(name, model=str(request.getfixturevalue("weights")))
    return engine(name, **({"settings": far} if is_hosted(name) else {}))


def test_an_engine_says_who_it_is(made: Engine) -> None:
    assert made.name in ENGINES or made.name.startswith("local-")
    assert made.ready()
    assert made.concurrency >= 1
    assert made.batch_max >= 1
    assert all(isinstance(k, str) and isinstance(v, str) for k, v in made.fingerprint.items())
    assert made.batch_key(WISH) == made.batch_key(Request.from_json(WISH.to_json()))


def test_an_engine_keeps_the_order_of_a_take(made: Engine, tmp_path: Path) -> None:
    told: list[Event] = []
    quote = made.quote(WISH)
    attempt = Attempt(WISH, str(uuid.uuid4()), tell=told.append, folder=tmp_path)
    ((back, outcome),) = made.generate([attempt])
    assert back is attempt
    assert isinstance(outcome, Delivery), outcome
    kinds = [event.kind for event in told if event.kind != "progress"]
    assert kinds in ([], ["intent", "submitted"])  # nothing is submitted without an intent
    audio = outcome.audio if isinstance(outcome.audio, Clip) else Clip.read(outcome.audio)
    assert audio.duration_s == pytest.approx(10, abs=0.1)
    assert outcome.charge.amount_usd <= quote.amount_usd
    assert outcome.charge.credits == quote.credits
    assert canonical_json([dict(outcome.sent), dict(outcome.received), dict(outcome.truth)])


def test_an_engine_refuses_before_anything_is_spent(made: Engine) -> None:
    with pytest.raises(RequestError):
        made.check(WISH.but(options={"no-such-option": 1}))
    with pytest.raises(RequestError):
        made.check(WISH.but(duration_s=0.5))


def test_an_attempt_that_is_cancelled_delivers_nothing(made: Engine, tmp_path: Path) -> None:
    from workbench.errors import Cancelled

    told: list[Event] = []
    attempt = Attempt(
        WISH, str(uuid.uuid4()), tell=told.append, is_cancelled=lambda: True, folder=tmp_path
    )
    with pytest.raises(Cancelled):
        list(made.generate([attempt]))
    assert "submitted" not in [event.kind for event in told]


def test_every_model_name_leads_to_an_engine() -> None:
    assert set(MODELS.values()) <= set(ENGINES)
    with pytest.raises(RequestError, match="choose from"):
        engine("no-such-engine")
