"""What the hosted tests share: a far side, settings that point at it, attempts that keep a log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.hosted.far import Far, running_far
from workbench.engines.base import Attempt, Delivery, Engine, Event
from workbench.engines.hosted import (
    HostedEngine,
    Limits,
    Settings,
    runcomfy_base,
    skystudio_custom,
)
from workbench.request import AnyRequest, Request

TOKEN = "tok-A1b2C3d4E5f6"
KEY = "sk-test-0123456789"
KEY_UUID = "550e8400-e29b-41d4-a716-446655440000"
QUICK = Limits(connect_s=1, get_s=1, submit_s=1, stall_s=1, retry_s=2, follow_s=5)
WISH = Request(tags="jazz, piano", lyrics="[inst]", duration_s=30, seed=7)

# Where the attempts of the test under way put their downloads.
FOLDERS: list[Path] = []


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> Iterator[Path]:
    """The folder of this test's downloads."""
    FOLDERS.append(tmp_path / "files")
    yield FOLDERS[-1]
    FOLDERS.pop()


@dataclass
class Log:
    """What an attempt told, in order."""

    events: list[Event] = field(default_factory=list)

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events if event.kind != "progress"]


def attempt(
    request: AnyRequest = WISH,
    *,
    log: Log | None = None,
    remote_id: str | None = None,
    intended: bool = False,
    is_cancelled: Callable[[], bool] = lambda: False,
    key: str = KEY_UUID,
) -> Attempt:
    """An attempt that writes into a log."""
    tell = (log or Log()).events.append
    return Attempt(request, key, remote_id, intended, tell, is_cancelled, FOLDERS[-1])


def outcome(engine: Engine, *args: Any, **named: Any) -> Any:
    """What became of one attempt."""
    return next(iter(engine.generate([attempt(*args, **named)])))[1]


def delivered(engine: Engine, *args: Any, **named: Any) -> Delivery:
    """What was delivered for one attempt, which must succeed."""
    result = outcome(engine, *args, **named)
    assert isinstance(result, Delivery), repr(result)
    return result


def settings_for(base: str, folder: Path, limits: Limits = QUICK, **env: str) -> Settings:
    """Settings that point at a far side."""
    known = {
        "RUNCOMFY_MODEL_API_BASE": base + "/v1",
        "RUNCOMFY_SERVERLESS_API_BASE": base + "/prod/v2",
        "RUNCOMFY_WEB_BASE": base + "/cli",
        "RUNCOMFY_TOKEN": TOKEN,
        "RUNCOMFY_CONFIG_DIR": str(folder / "config"),
        "SKYSTUDIO_API_BASE": base + "/sky",
        "SKYSTUDIO_API_KEY": KEY,
        "SKYSTUDIO_USD_PER_CREDIT": "0.002",
    }
    return replace(Settings.from_env({**known, **env}), limits=limits)


Maker = Callable[[Settings], HostedEngine]
BOTH = pytest.mark.parametrize("make", [runcomfy_base, skystudio_custom])


def submits(far: Far) -> int:
    """How many submits arrived, at either service."""
    return far.count("submit") + far.count("sky-submit")


@pytest.fixture
def far() -> Iterator[Far]:
    """A far side without faults."""
    with running_far() as running:
        yield running


@pytest.fixture
def settings(far: Far, tmp_path: Path) -> Settings:
    """Settings that point at `far`."""
    return settings_for(far.base, tmp_path)
