"""Does the SkyStudio side keep its contract: generate, poll, cancel, idempotency, compiling?"""

import threading
from typing import Any
from uuid import uuid4

import httpx

from tests.server.conftest import Api, SineEngine, Start, sky, until
from workbench.clip import Clip
from workbench.request import Request
from workbench.server import Compiled, make_key

GENERATE = "/api/v1/generate"


def refused(reply: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert reply.status_code == status, reply.text
    error = dict(reply.json()["error"])
    assert error["code"] == code
    assert error["message"]
    return error


def test_a_job_from_generate_to_file(api: Api) -> None:
    reply = api.post(GENERATE, sky("house", 10, format="mp3"))
    submitted = reply.json()
    assert reply.status_code == 200
    assert submitted == {
        "id": submitted["id"],
        "status": "submitted",
        "model": "ace-step-1.5",
        "estimated_credits": 10,
        "poll_url": f"/api/v1/jobs/{submitted['id']}",
    }
    done = api.finished_job(submitted["id"])
    assert done["status"] == "completed"
    assert done["billed_credits"] == 10
    assert "/gateway/music/" in done["output_url"]
    assert done["output_expires_at"].endswith(".000Z")
    file = api.files.get(done["output_url"])
    assert file.headers["content-type"] == "audio/mpeg"
    assert abs(Clip.from_bytes(file.content).duration_s - 10) < 0.06


def test_states_as_this_contract_words_them(api: Api, engine: SineEngine) -> None:
    engine.hold()
    running, waiting = api.generate(), api.generate()
    until(lambda: api.job(running), lambda r: r["status"] == "running")
    assert api.job(waiting) == {"id": waiting, "status": "submitted"}
    engine.release()
    assert api.finished_job(waiting)["status"] == "completed"


def test_cancel_stops_waiting_and_running_jobs_and_repeats(api: Api, engine: SineEngine) -> None:
    engine.hold()
    running, waiting = api.generate(), api.generate()
    until(lambda: api.job(running), lambda r: r["status"] == "running")
    assert api.post(f"/api/v1/jobs/{waiting}/cancel").json()["status"] == "cancelled"
    for _ in range(2):
        assert api.post(f"/api/v1/jobs/{running}/cancel").status_code == 200
    gone = api.finished_job(running)
    assert gone["status"] == "cancelled"
    assert not {"output_url", "billed_credits"} & set(gone)
    assert api.post(f"/api/v1/jobs/{running}/cancel").json() == gone
    engine.release()
    done = api.finished_job(api.generate())
    assert api.post(f"/api/v1/jobs/{done['id']}/cancel").json()["status"] == "completed"
    refused(api.post("/api/v1/jobs/none/cancel"), 404, "NOT_FOUND")


def test_a_used_idempotency_key_always_gives_the_job(api: Api) -> None:
    key = str(uuid4())
    first = api.post(GENERATE, sky(), headers={"Idempotency-Key": key}).json()["id"]
    again = [
        api.post(GENERATE, sky(), headers={"Idempotency-Key": key}),
        api.post(GENERATE, sky("another body", 20), headers={"Idempotency-Key": key.upper()}),
        api.post(GENERATE, sky() | {"idempotency_key": key}),
        # The header wins over the body.
        api.post(
            GENERATE, sky() | {"idempotency_key": str(uuid4())}, headers={"Idempotency-Key": key}
        ),
    ]
    for reply in again:
        error = refused(reply, 409, "IDEMPOTENCY_CONFLICT")
        assert error["details"] == {"existing_job_id": first}
    api.finished_job(first)
    refused(
        api.post(GENERATE, sky(), headers={"Idempotency-Key": key}), 409, "IDEMPOTENCY_CONFLICT"
    )
    fresh = api.post(
        GENERATE, sky() | {"idempotency_key": key}, headers={"Idempotency-Key": str(uuid4())}
    )
    assert fresh.json()["id"] != first
    other = api.as_key(make_key(api.folder, "other", credits=100))
    with other:
        reply = other.post(GENERATE, sky(), headers={"Idempotency-Key": key})
        assert reply.json()["id"] != first, "keys of two customers never meet"


def test_one_idempotency_key_from_many_callers_at_once(api: Api, engine: SineEngine) -> None:
    key = str(uuid4())
    replies: list[httpx.Response] = []

    def call() -> None:
        replies.append(api.post(GENERATE, sky(), headers={"Idempotency-Key": key}))

    threads = [threading.Thread(target=call) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = {
        r.json()["id"] if r.status_code == 200 else r.json()["error"]["details"]["existing_job_id"]
        for r in replies
    }
    assert sorted(r.status_code for r in replies) == [200] + [409] * 15
    assert len(ids) == 1
    api.finished_job(ids.pop())
    assert len(engine.seen) == 1


BAD_BODIES: list[Any] = [
    {},
    {"model": "ace-step-2", "input": {"prompt": "x"}},
    {"model": "ace-step-1.5", "input": {}},
    sky(" "),
    sky("x", 9.9),
    sky("x", 300.1),
    sky("x", bpm=29),
    sky("x", bpm=301),
    sky("x", format="ogg"),
    sky("x", key="C major"),
    sky("x", instrumental="yes"),
    sky("x", vocal_language="English"),
    sky("x", seed=1.5),
    sky("75 BPM", bpm=90),
    sky("impossible"),
    sky() | {"idempotency_key": "not-a-uuid"},
    sky() | {"extra": 1},
]


def test_invalid_bodies(api: Api) -> None:
    for body in BAD_BODIES:
        refused(api.post(GENERATE, body), 400, "INVALID_REQUEST")
    reply = api.post(GENERATE, sky(), headers={"Idempotency-Key": "one"})
    refused(reply, 400, "INVALID_REQUEST")


def test_failed_jobs_say_why_and_cost_nothing(api: Api) -> None:
    key = make_key(api.folder, "poor", credits=25)
    poor = api.as_key(key)
    with poor:
        done = poor.finished_job(poor.generate(prompt="broken"))
        assert (done["status"], done["error_message"]) == ("failed", "the sine broke.")
        assert "billed_credits" not in done
        poor.finished_job(poor.generate())
        refused(poor.post(GENERATE, sky("x", 15.5)), 402, "INSUFFICIENT_CREDITS")
        poor.finished_job(poor.generate(duration=15))
        refused(poor.post(GENERATE, sky()), 402, "INSUFFICIENT_CREDITS")


def test_jobs_of_others_do_not_exist(api: Api) -> None:
    job = api.generate()
    other = api.as_key(make_key(api.folder, "other"))
    with other:
        refused(other.get(f"/api/v1/jobs/{job}"), 404, "NOT_FOUND")
        refused(other.post(f"/api/v1/jobs/{job}/cancel"), 404, "NOT_FOUND")


def test_simple_mode_is_compiled(api: Api, engine: SineEngine) -> None:
    job = api.generate(prompt="chill lo-fi hip hop beats to study to", duration=20)
    compiled = api.finished_job(job)["compiled_input"]
    assert compiled["compiler_used"] is True
    assert (compiled["compiler_mode"], compiled["bpm"]) == ("instrumental", 78)
    (heard,) = engine.seen
    assert isinstance(heard, Request)
    assert (heard.tags, heard.lyrics) == (compiled["prompt"], compiled["lyrics"])
    assert (heard.tempo_bpm, heard.language) == (78, "en")


def test_custom_mode_is_taken_as_it_is(api: Api, engine: SineEngine) -> None:
    lyrics = "[verse]\nwalking through the city lights"
    job = api.generate(
        prompt="pop", lyrics=lyrics, vocal_language="de", bpm=120, seed=42, duration=10.5
    )
    done = api.finished_job(job)
    assert "compiled_input" not in done
    assert done["billed_credits"] == 10.5
    api.finished_job(api.generate(prompt="pop", lyrics=lyrics, instrumental=True))
    sung, played = engine.seen
    assert (sung.lyrics, sung.language, sung.tempo_bpm, sung.seed) == (lyrics, "de", 120, 42)
    assert played.instrumental, "instrumental replaces the lyrics"


class Broken:
    """A compiler that raises, or answers what the engine cannot serve."""

    name = "broken-1"

    def compile(self, prompt: str, *, duration_s: float, instrumental: bool) -> Compiled:
        if "nonsense" in prompt:
            return Compiled("impossible", "", None, "en", "vocal")
        raise RuntimeError("no model behind this compiler")


def test_a_broken_compiler_falls_back(start: Start, engine: SineEngine) -> None:
    api = start(compiler=Broken())
    for prompt, instrumental in (("jazz", True), ("nonsense", False)):
        job = api.generate(prompt=prompt, instrumental=instrumental)
        done = api.finished_job(job)
        assert done["status"] == "completed"
        assert done["compiled_input"] == {
            "prompt": prompt,
            "lyrics": "[Instrumental]" if instrumental else "",
            "vocal_language": "en",
            "compiler_used": False,
            "compiler_model": "broken-1",
            "compiler_mode": "instrumental" if instrumental else "vocal",
        }
        assert engine.seen[-1].tags == prompt
