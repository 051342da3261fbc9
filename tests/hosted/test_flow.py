"""Several jobs at once: never more than the slots, and no slot idle while a look is put off."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.hosted.conftest import WISH, delivered
from tests.hosted.far import Far, answers
from workbench.engines.base import Delivery
from workbench.engines.hosted import HostedEngine, Settings, runcomfy_base, skystudio_custom
from workbench.engines.hosted.poll import Rhythm
from workbench.request import Request

WISHES = [WISH.but(seed=seed) for seed in range(8)]


def all_at_once(engine: HostedEngine, wishes: list[Request]) -> list[Delivery]:
    """Every wish in a thread of its own."""
    with ThreadPoolExecutor(engine.concurrency) as pool:
        return list(pool.map(lambda wish: delivered(engine, wish), wishes))


def test_never_more_jobs_than_slots(far: Far, settings: Settings) -> None:
    far.service_s = 0.1
    engine = runcomfy_base(settings, concurrency=2)
    assert engine.concurrency == 4
    made = all_at_once(engine, WISHES)
    assert len({take.audio for take in made}) == 8
    assert far.most_active == 2


def test_a_slot_is_lent_while_a_look_is_put_off(far: Far, settings: Settings) -> None:
    far.service_s = 0.1
    engine = runcomfy_base(settings, concurrency=1)
    delivered(engine, WISHES[0])  # from now on the engine knows what a job takes
    far.calls.clear()
    far.next_fails("status", answers(429, Retry_After="1"))
    all_at_once(engine, WISHES[1:3])
    flow = [call.route for call in far.calls if call.route in ("submit", "status")]
    assert flow[:3] == ["submit", "status", "submit"]
    assert far.most_active == 1


def test_scattered_refusals_lose_nothing(far: Far, settings: Settings) -> None:
    refusal = answers(429, Retry_After="0.05")
    for route in ("submit", "status", "result", "file"):
        far.next_fails(route, *[refusal, None, None, None] * 3)
    made = all_at_once(runcomfy_base(settings, concurrency=4), WISHES)
    assert len(made) == 8
    assert len(far.jobs) == 8


def test_each_engine_has_a_pace_of_its_own(far: Far, settings: Settings) -> None:
    far.next_fails("submit", *[answers(429, Retry_After="0.3")] * 4)
    crowded, calm = runcomfy_base(settings), skystudio_custom(settings)
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(delivered, crowded, WISH)
        pool.submit(delivered, calm, WISH).result()
        assert not slow.done()
        slow.result()


def test_a_slow_first_job_does_not_have_later_ones_looked_at_too_late() -> None:
    rhythm = Rhythm()
    for _ in range(8):
        rhythm.learn(5.0)
    for _ in range(30):  # jobs that take a second, found over by the first look at each
        rhythm.learn(max(1.0, rhythm.next_wait_s(0.0)), seen_running=False)
    assert rhythm.next_wait_s(0.0) < 1.5
