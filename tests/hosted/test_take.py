"""A take from intent to file: order of steps, money, price, where the token goes."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from pathlib import Path

import pytest
import soundfile as sf

from tests.hosted.conftest import BOTH, KEY, TOKEN, WISH, Log, Maker, delivered, outcome, submits
from tests.hosted.far import (
    Far,
    tone,
)
from workbench.clip import Clip
from workbench.engines.hosted import (
    Settings,
    runcomfy_1_5,
    runcomfy_base,
    skystudio_custom,
    skystudio_simple,
)
from workbench.errors import (
    EngineBusy,
    EngineRefused,
    OutcomeUnknown,
    RequestError,
)


@BOTH
def test_a_take_goes_through(make: Maker, far: Far, settings: Settings, files: Path) -> None:
    log = Log()
    made = delivered(make(settings), log=log)
    assert log.kinds() == ["intent", "submitted"]
    assert isinstance(made.audio, Path)
    assert made.audio.suffix == ".wav"
    assert made.audio.read_bytes() == far.file
    assert Clip.read(made.audio).duration_s == 1.0
    assert list(files.iterdir()) == [made.audio]
    assert made.sent["input"]["seed"] == 7
    assert made.notes[-1] == "asked for 30 s, got 1.00 s"
    json.dumps([made.sent, made.received, log.events[0].data["sent"]], allow_nan=False)


def test_runcomfy_books_what_is_reported(far: Far, settings: Settings) -> None:
    charge = delivered(runcomfy_base(settings)).charge
    assert (charge.amount_usd, charge.source) == (Decimal("0.012300"), "reported")


@pytest.mark.parametrize("cost", [None, "free", -1, True, float("1e400")])
def test_runcomfy_without_a_usable_cost_books_the_quote(
    far: Far, settings: Settings, cost: object
) -> None:
    far.cost = cost
    far.next_fails("result", None)
    engine = runcomfy_base(settings)
    result = outcome(engine)
    if cost == float("inf"):  # Infinity is not JSON: the reply as a whole is unreadable
        assert isinstance(result, EngineBusy)
        return
    assert (result.charge.amount_usd, result.charge.source) == (Decimal("0.006000"), "expected")


def test_skystudio_books_credits_and_keeps_the_compiled_input(far: Far, settings: Settings) -> None:
    made = delivered(skystudio_simple(settings))
    assert (made.charge.credits, made.charge.amount_usd) == (Decimal(30), Decimal("0.060000"))
    assert made.received["compiled_input"]["lyrics"] == "[Intro]"
    assert any("compiler wrote" in note for note in made.notes)


def test_the_intent_is_on_disk_before_the_submit(far: Far, settings: Settings) -> None:
    seen: list[int] = []

    class Counting(Log):
        def __init__(self) -> None:
            super().__init__()
            self.events = self  # type: ignore[assignment]

        def append(self, event: object) -> None:
            seen.append(submits(far))

    delivered(runcomfy_base(settings), log=Counting())
    assert seen[:2] == [0, 1]


@BOTH
def test_nothing_is_sent_if_the_intent_cannot_be_written(
    make: Maker, far: Far, settings: Settings
) -> None:
    class Full(Log):
        def __init__(self) -> None:
            super().__init__()
            self.events = self  # type: ignore[assignment]

        def append(self, event: object) -> None:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        outcome(make(settings), log=Full())
    assert submits(far) == 0


def test_an_id_that_cannot_be_written_is_told(far: Far, settings: Settings) -> None:
    class FullLater(Log):
        def __init__(self) -> None:
            super().__init__()
            self.events = self  # type: ignore[assignment]
            self.count = 0

        def append(self, event: object) -> None:
            self.count += 1
            if self.count == 2:
                raise OSError("disk full")

    engine = runcomfy_base(settings)
    result = outcome(engine, log=FullLater())
    assert isinstance(result, OutcomeUnknown)
    assert "job-0" in str(result)
    assert delivered(engine, remote_id="job-0").audio
    assert submits(far) == 1


@BOTH
def test_a_job_with_an_id_is_resumed_and_never_submitted(
    make: Maker, far: Far, settings: Settings
) -> None:
    engine = make(settings)
    delivered(engine)
    log = Log()
    assert delivered(engine, remote_id="job-0", log=log).audio
    assert submits(far) == 1
    assert log.kinds() == []


@pytest.mark.parametrize(
    "price",
    [
        {"base_price_usd": None},
        {"base_price_usd": -0.1},
        {"base_price_usd": True},
        {"base_price_usd": "0.0002"},
        {"price_unit": "output"},
        {"price_unit": None},
        {"model_id": "someone/else/model"},
    ],
)
def test_a_price_that_is_none_stops_before_paying(
    far: Far, settings: Settings, price: dict[str, object]
) -> None:
    far.price = price
    engine = runcomfy_base(settings)
    with pytest.raises(EngineRefused, match="no usable price"):
        engine.quote(WISH)
    assert isinstance(outcome(engine), EngineRefused)
    assert submits(far) == 0


def test_the_price_is_read_live_and_kept_a_while(far: Far, settings: Settings) -> None:
    engine = runcomfy_1_5(settings)
    far.price = {"base_price_usd": 0.0003}
    quotes = [engine.quote(WISH), engine.quote(WISH.but(duration_s=60))]
    assert [q.amount_usd for q in quotes] == [Decimal("0.009000"), Decimal("0.018000")]
    assert far.count("price") == 1
    assert far.calls[0].headers["cache-control"] == "no-cache"


def test_the_token_goes_to_the_service_only(far: Far, settings: Settings) -> None:
    delivered(runcomfy_base(settings))
    delivered(skystudio_custom(settings))
    for call in far.calls:
        sent = call.headers.get("authorization")
        if call.route == "file":
            assert sent is None
        else:
            assert sent == f"Bearer {KEY if call.route.startswith('sky') else TOKEN}"


def test_what_cannot_be_served_is_refused_before_anything_is_sent(
    far: Far, settings: Settings
) -> None:
    engine = runcomfy_base(settings)
    with pytest.raises(RequestError):
        engine.check(WISH.but(duration_s=300))
    assert isinstance(outcome(engine, WISH.but(duration_s=300)), EngineRefused)
    assert far.calls == []


def test_other_formats_are_known_by_their_bytes(far: Far, settings: Settings) -> None:

    samples, rate_hz = sf.read(io.BytesIO(tone(2.0)))
    buffer = io.BytesIO()
    sf.write(buffer, samples, rate_hz, format="FLAC")
    far.file = buffer.getvalue()
    made = delivered(runcomfy_base(settings))
    assert isinstance(made.audio, Path)
    assert made.audio.suffix == ".flac"
