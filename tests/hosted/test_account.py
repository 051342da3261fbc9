"""Signing in, balance, price and catalogue."""

from __future__ import annotations

import json
import stat
from decimal import Decimal

import pytest

from tests.hosted.conftest import TOKEN
from tests.hosted.far import Far, answers, reset_before
from workbench.engines.hosted import Settings
from workbench.engines.hosted.account import balance, catalogue, price
from workbench.engines.hosted.faults import SignInNeeded
from workbench.engines.hosted.login import Prompt, sign_in
from workbench.errors import EngineFailed, EngineRefused, RequestError

PENDING = answers(200, {"status": "pending"})


def test_signing_in_writes_the_token_file(far: Far, settings: Settings) -> None:
    shown: list[Prompt] = []
    far.next_fails("poll", PENDING, reset_before, PENDING)
    path = sign_in(settings, shown.append)
    assert shown == [Prompt("https://example.com/verify", "AB-12")]
    assert json.loads(path.read_text()) == {
        "access_token": "tok-from-login",
        "refresh_token": None,
        "expires_at": None,
        "user_email": None,
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(settings.config_dir.iterdir()) == [path]
    polls = [call for call in far.calls if call.route == "poll"]
    assert polls[0].json == {"device_code": "device-123456"}
    assert all("authorization" not in call.headers for call in far.calls)


@pytest.mark.parametrize(
    ("status", "word"), [(200, "denied"), (200, "expired"), (410, "denied"), (410, "expired")]
)
def test_a_refused_sign_in_leaves_no_file(
    far: Far, settings: Settings, status: int, word: str
) -> None:
    far.next_fails("poll", PENDING, answers(status, {"status": word}))
    with pytest.raises(SignInNeeded, match=word):
        sign_in(settings, lambda _: None)
    assert not settings.config_dir.exists()


def test_a_sign_in_that_nobody_confirms_ends(far: Far, settings: Settings) -> None:
    reply = {"device_code": "device-123456", "user_code": "A", "verify_url": "https://a.example/"}
    far.next_fails("start", answers(200, {**reply, "expires_in": 0.2, "poll_interval": 0}))
    far.next_fails("poll", *[PENDING] * 99)
    with pytest.raises(SignInNeeded, match="not confirmed in time"):
        sign_in(settings, lambda _: None)


@pytest.mark.parametrize("reply", [{}, {"device_code": 1}, {"verify_url": "javascript:alert(1)"}])
def test_an_odd_start_is_a_failure(far: Far, settings: Settings, reply: dict[str, object]) -> None:
    far.next_fails("start", answers(200, {"device_code": "d-1", "user_code": "u", **reply}))
    with pytest.raises(EngineFailed):
        sign_in(settings, lambda _: None)


def test_balance(far: Far, settings: Settings) -> None:
    assert balance(settings) == (Decimal("12.5"), "USD")
    assert far.calls[0].headers["authorization"] == f"Bearer {TOKEN}"
    far.next_fails("balance", answers(200, {"balance_usd": "plenty"}))
    with pytest.raises(EngineFailed):
        balance(settings)


def test_price(far: Far, settings: Settings) -> None:
    far.price = {"pricing_note": "base only"}
    found = price(settings, "acestep-ai/ace-step/text-to-audio")
    assert (found.usd_per_s, found.note) == (Decimal("0.0002"), "base only")
    far.price = {"price_unit": "output"}
    with pytest.raises(EngineRefused):
        price(settings, "acestep-ai/ace-step/text-to-audio")
    for bad in ("", "a//b", "../requests/x", "a/./b"):
        with pytest.raises(RequestError):
            price(settings, bad)


def test_the_catalogue_has_all_pages(far: Far, settings: Settings) -> None:
    rows = catalogue(settings, "ace")
    assert [row["model_id"] for row in rows] == [f"a/b/{n}" for n in range(250)]
    assert far.count("models") == 3
    assert "search=ace" in far.calls[0].path
    far.next_fails("models", answers(200, {"models": "none"}))
    with pytest.raises(EngineFailed):
        catalogue(settings)
