"""The hosted engines against our own server: real HTTP, real audio, money to the cent."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tests.hosted.conftest import attempt, delivered, outcome
from workbench.clip import Clip
from workbench.engines import engine
from workbench.engines.base import Delivery, Engine
from workbench.engines.hosted import Settings
from workbench.engines.hosted.account import balance, catalogue, price
from workbench.engines.hosted.faults import NoFunds, SignInNeeded
from workbench.engines.hosted.login import Prompt, sign_in
from workbench.engines.sketch import SketchEngine
from workbench.errors import EngineBusy, EngineRefused
from workbench.request import Inpaint, Outpaint, Request, Span
from workbench.server import (
    Faults,
    approve_sign_in,
    list_keys,
    make_key,
    revoke_key,
    running_server,
)
from workbench.server import Limits as ServerLimits
from workbench.server import Settings as ServerSettings

NAMES = [
    "runcomfy-base",
    "runcomfy-1.5",
    "runcomfy-elevenlabs",
    "skystudio-simple",
    "skystudio-custom",
]
WISH = Request(tags="house, 124 BPM", lyrics="[inst]", duration_s=10, seed=5)


def settings_at(base: str, folder: Path, token: str) -> Settings:
    """Settings that point at our server."""
    env = {
        "RUNCOMFY_MODEL_API_BASE": base + "/v1",
        "RUNCOMFY_SERVERLESS_API_BASE": base + "/prod/v2",
        "RUNCOMFY_WEB_BASE": base + "/api/cli-auth",
        "RUNCOMFY_CONFIG_DIR": str(folder / "config"),
        "RUNCOMFY_TOKEN": token,
        "SKYSTUDIO_API_BASE": base + "/api/v1",
        "SKYSTUDIO_API_KEY": token,
        "SKYSTUDIO_USD_PER_CREDIT": "0.002",
    }
    return Settings.from_env(env)


@pytest.fixture
def server(tmp_path: Path) -> ServerSettings:
    """A server with the embedded engine."""
    return ServerSettings(engine=SketchEngine(), folder=tmp_path / "server")


@pytest.fixture
def here(server: ServerSettings, tmp_path: Path) -> Iterator[Settings]:
    """Settings for a running server, with a key that has 1 USD and 100 credits."""
    token = make_key(server.folder, "tests", balance_usd=1, credits=100)
    with running_server(server) as base:
        yield settings_at(base, tmp_path, token)


def test_five_engines_at_once_reconciled_to_the_cent(here: Settings) -> None:
    engines = [engine(name, settings=here) for name in NAMES]
    before = balance(here).amount

    def one(made: Engine) -> tuple[Decimal, Delivery]:
        # A key of its own: one that two engines share would name one job for both.
        return made.quote(WISH).amount_usd, delivered(made, WISH, key=str(uuid.uuid4()))

    with ThreadPoolExecutor(5) as pool:
        made = dict(zip(NAMES, pool.map(one, engines), strict=True))
    for name, (quoted_usd, take) in made.items():
        assert isinstance(take.audio, Path)
        assert Clip.read(take.audio).duration_s == pytest.approx(10, abs=0.5)
        assert take.charge.source == "reported"
        assert take.charge.amount_usd == quoted_usd, name
    prices = {name: usd for name, (usd, _) in made.items()}
    assert prices["runcomfy-base"] == Decimal("0.002")
    assert prices["runcomfy-1.5"] == Decimal("0.003")
    assert prices["runcomfy-elevenlabs"] == Decimal("0.083")
    assert prices["skystudio-custom"] == Decimal("0.02")
    paid = sum(usd for name, usd in prices.items() if name.startswith("runcomfy"))
    assert before - balance(here).amount == paid
    assert made["skystudio-simple"][1].received["compiled_input"]["prompt"]
    assert made["skystudio-custom"][1].charge.credits == 10


def test_edits_with_a_local_source(here: Settings, tmp_path: Path) -> None:
    hosted = engine("runcomfy-base", settings=here)
    source = delivered(hosted, WISH).audio
    assert isinstance(source, Path)
    inpaint = Inpaint(tags=WISH.tags, lyrics="[inst]", source=source, span=Span(end_s=5))
    hosted.check(inpaint)
    for edit, duration_s in (
        (inpaint, 10),
        (Outpaint(tags=WISH.tags, lyrics="[inst]", source=source, before_s=2, after_s=3), 15),
    ):
        made = delivered(hosted, edit)
        assert isinstance(made.audio, Path)
        assert Clip.read(made.audio).duration_s == pytest.approx(duration_s, abs=0.5)
        assert made.charge.amount_usd == hosted.quote(edit).amount_usd


def test_account(here: Settings) -> None:
    assert balance(here).amount == 1
    assert price(here, "acestep-ai/ace-step/text-to-audio").usd_per_s == Decimal("0.0002")
    known = {row["model_id"] for row in catalogue(here)}
    assert "elevenlabs/elevenlabs/music-generation" in known
    with pytest.raises(EngineRefused):
        price(here, "nobody/knows/this")


def test_signing_in(here: Settings, server: ServerSettings) -> None:
    def confirm(prompt: Prompt) -> None:
        approve_sign_in(server.folder, prompt.code, name="browser", balance_usd=2)

    path = sign_in(here, confirm)
    token = Settings.from_env({"RUNCOMFY_CONFIG_DIR": str(path.parent)}).runcomfy.token
    again = replace(here, wallet=replace(here.wallet, token=token))
    assert balance(again).amount == 2


def test_no_funds_and_a_wrong_or_revoked_key(
    here: Settings, server: ServerSettings, tmp_path: Path
) -> None:
    base = here.runcomfy.base.removesuffix("/v1")
    poor = settings_at(base, tmp_path, make_key(server.folder, "poor"))
    wrong = settings_at(base, tmp_path, "sk-wrong-key-123456")
    for name in ("runcomfy-base", "skystudio-custom"):
        assert isinstance(outcome(engine(name, settings=poor), WISH), NoFunds)
        assert isinstance(outcome(engine(name, settings=wrong), WISH), SignInNeeded)
        assert delivered(engine(name, settings=here), WISH).audio
    for key in list_keys(server.folder):
        revoke_key(server.folder, key.id)
    for name in ("runcomfy-base", "skystudio-custom"):
        assert isinstance(outcome(engine(name, settings=here), WISH), SignInNeeded)


def test_a_key_revoked_mid_run_and_given_back_is_resumed(
    server: ServerSettings, tmp_path: Path
) -> None:
    server = replace(server, faults=Faults(job_s=0.5))
    token = make_key(server.folder, "tests", balance_usd=1)
    with running_server(server) as base:
        hosted = engine("runcomfy-base", settings=settings_at(base, tmp_path, token))
        ids: list[str] = []

        def revoke(event: object) -> None:
            data = getattr(event, "data", {})
            if "remote_id" in data:
                ids.append(data["remote_id"])
                revoke_key(server.folder, list_keys(server.folder)[0].id)

        result = next(iter(hosted.generate([replace(attempt(WISH), tell=revoke)])))[1]
    assert type(result) is EngineBusy
    assert isinstance(result.__cause__, SignInNeeded)
    assert ids[0] in str(result)


def test_a_job_is_collected_again_after_its_link_expired(
    server: ServerSettings, tmp_path: Path
) -> None:
    server = replace(server, limits=ServerLimits(link_s=1.5))
    with running_server(server) as base:
        hosted = engine(
            "skystudio-custom", settings=settings_at(base, tmp_path, "sk-any-key-123456")
        )
        ids: list[str] = []

        def tell(event: object) -> None:
            ids.append(getattr(event, "data", {}).get("remote_id", ""))

        next(iter(hosted.generate([replace(attempt(WISH), tell=tell)])))
        threading.Event().wait(1.6)
        assert delivered(hosted, WISH, remote_id=ids[1]).audio


def test_limits_of_the_server_only_slow_us_down(server: ServerSettings, tmp_path: Path) -> None:
    server = replace(
        server,
        limits=ServerLimits(active_max=2),
        faults=Faults(busy_share=0.1, busy_retry_after_s=0, job_s=0.1),
    )
    wishes = [WISH.but(seed=seed) for seed in range(6)]
    with running_server(server) as base:
        here = settings_at(base, tmp_path, "sk-any-key-123456")
        hosted = engine("runcomfy-base", settings=here, concurrency=6)
        with ThreadPoolExecutor(6) as pool:
            made = list(pool.map(lambda wish: delivered(hosted, wish), wishes))
    assert len({take.received["request_id"] for take in made}) == 6
