"""Does the RunComfy side say what contracts promise: submit, status, result, cancel, catalogue?"""

import math
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.conftest import Api, SineEngine, Start, sine, until
from workbench.clip import Clip
from workbench.request import Request
from workbench.server import make_key

T2A = "/v1/models/acestep-ai/ace-step/text-to-audio"


def refused(reply: httpx.Response, status: int, code: int) -> dict[str, Any]:
    assert reply.status_code == status, reply.text
    body = dict(reply.json())
    assert body["error_code"] == code
    assert body["error_message"]
    return body


def test_a_job_from_submit_to_file(api: Api) -> None:
    reply = api.post(T2A, {"tags": "house, 124 BPM", "lyrics": "[inst]", "duration": 6, "seed": 7})
    assert reply.status_code == 200
    submitted = reply.json()
    assert submitted["status_url"].startswith(api.base_url + "/v1/requests/")
    done = api.finished(submitted["request_id"])
    assert done["status"] == "completed"
    assert done["model_id"] == "acestep-ai/ace-step/text-to-audio"
    assert done["cost"] == 0.0012
    assert done["created_at"] < done["finished_at"]
    assert done["finished_at"].endswith("Z")
    assert done["output"]["audios"] == [done["output"]["audio"]]
    file = api.files.get(done["output"]["audio"])
    assert file.headers["content-type"] == "audio/wav"
    clip = Clip.from_bytes(file.content)
    assert (clip.rate_hz, clip.channels, clip.duration_s) == (48_000, 2, 6.0)
    assert abs(clip.samples - sine(6).samples).max() < 2**-15


def test_cost_comes_only_when_asked_for_and_status_tells_no_output(api: Api) -> None:
    job = api.submit()
    api.finished(job)
    assert "cost" not in api.get(f"/v1/requests/{job}/result").json()
    status = api.get(f"/v1/requests/{job}/status").json()
    assert status["status"] == "completed"
    assert set(status) == {"request_id", "status", "status_url", "result_url"}


def test_states_and_queue_positions(api: Api, engine: SineEngine) -> None:
    engine.hold()
    first, second, third = (api.submit() for _ in range(3))
    until(lambda: api.result(first), lambda r: r["status"] == "in_progress")
    positions = [
        api.get(f"/v1/requests/{job}/status").json().get("queue_position")
        for job in (first, second, third)
    ]
    assert positions == [None, 0, 1]
    assert api.result(second)["status"] == "in_queue"
    assert "output" not in api.result(first)
    engine.release()
    assert api.finished(third)["status"] == "completed"


def test_only_a_queued_job_can_be_cancelled(api: Api, engine: SineEngine) -> None:
    engine.hold()
    running, queued = api.submit(), api.submit()
    until(lambda: api.result(running), lambda r: r["status"] == "in_progress")
    said = [api.post(f"/v1/requests/{job}/cancel").json() for job in (running, queued, queued)]
    assert [(s["status"], s["outcome"]) for s in said] == [
        ("in_progress", "not_cancellable"),
        ("cancelled", "cancelled"),
        ("cancelled", "not_cancellable"),
    ]
    engine.release()
    assert api.finished(running)["status"] == "completed"
    assert api.result(queued)["cost"] == 0
    assert len(engine.seen) == 1
    assert api.get("/prod/v2/balance").json()["balance_usd"] == 10 - 0.001


@pytest.mark.parametrize(
    ("tags", "said"), [("broken", "the sine broke."), ("crash", "server's log")]
)
def test_a_failed_job_says_why_and_costs_nothing(api: Api, tags: str, said: str) -> None:
    done = api.finished(api.submit(tags=tags, duration=5))
    assert done["status"] == "failed"
    assert said in done["error"]
    assert "secret" not in done["error"]
    assert done["cost"] == 0
    assert "output" not in done
    assert api.get("/prod/v2/balance").json() == {"balance_usd": 10.0, "currency": "USD"}
    assert api.finished(api.submit())["status"] == "completed", "the worker goes on"


BAD_INPUTS: list[tuple[Any, str]] = [
    ({}, "tags"),
    ({"tags": " ,\t"}, "tags"),
    ({"tags": "x", "duration": 4}, "duration"),
    ({"tags": "x", "duration": 241}, "duration"),
    ({"tags": "x", "duration": 60.5}, "duration"),
    ({"tags": "x", "duration": "60"}, "duration"),
    ({"tags": "x", "duration": True}, "duration"),
    ({"tags": "x", "seed": -2}, "seed"),
    ({"tags": "x", "seed": 2**31}, "seed"),
    ({"tags": "x", "lyrics": 5}, "lyrics"),
    ({"tags": "x", "bpm": 90}, "bpm"),
    ({"tags": "x" * 10_001}, "tags"),
    ({"tags": "impossible"}, "impossible"),
    ({"tags": "75 BPM, 90 BPM"}, "tempi"),
    ([], "valid dictionary"),
]


def test_inputs_against_the_schema(api: Api) -> None:
    for inputs, said in BAD_INPUTS:
        body = refused(api.post(T2A, inputs), 422, 422001)
        assert said in str(body["detail"]), (inputs, body)


def test_bodies_that_are_no_json(api: Api) -> None:
    for content in (
        b"{",
        b"",
        b"\xff\xfe",
        b'{"tags": NaN}',
        b'{"tags": "\\ud800"}',
        b"[" * 100_000,
        b"9" * 9000,
    ):
        reply = api.http.post(T2A, content=content, headers={"Content-Type": "application/json"})
        refused(reply, 422, 422001)


def test_defaults_and_the_two_readings_of_blank_lyrics(api: Api, engine: SineEngine) -> None:
    api.finished(api.submit(tags="jazz", lyrics="  ", duration=5))
    api.finished(api.submit("acestep-ai/ace-step-1.5/text-to-audio", tags="jazz", duration=5))
    base, newer = engine.seen
    assert (base.lyrics, newer.lyrics) == ("", "[inst]")
    assert base.seed != newer.seed, "-1 draws"


def test_unknown_models_requests_paths_and_methods(api: Api) -> None:
    refused(api.post("/v1/models/acestep-ai/ace-step/text-to-video", {"tags": "x"}), 400, 400001)
    refused(api.get("/v1/models/../../etc/passwd"), 404, 404001)
    refused(api.get("/v1/models/a/b"), 400, 400001)
    for path in ("/v1/requests/none/status", "/v1/requests/%00%ff/result", "/v1/nothing"):
        refused(api.get(path), 404, 404001)
    refused(api.post("/v1/requests/none/cancel"), 404, 404001)
    reply = api.http.delete("/v1/requests/none/cancel")
    refused(reply, 405, 405001)
    assert reply.headers["allow"] == "POST"
    reply = api.http.put(T2A)
    refused(reply, 405, 405001)
    assert set(reply.headers["allow"].split(", ")) == {"GET", "POST"}


def test_somebody_elses_request(api: Api) -> None:
    job = api.submit()
    other = api.as_key(make_key(api.folder, "other"))
    with other:
        for reply in (
            other.get(f"/v1/requests/{job}/status"),
            other.get(f"/v1/requests/{job}/result"),
            other.post(f"/v1/requests/{job}/cancel"),
        ):
            refused(reply, 403, 403001)
        assert other.get(f"/api/v1/jobs/{job}").status_code == 404
    assert api.get(f"/api/v1/jobs/{job}").status_code == 404, "each contract has its own jobs"


def test_no_balance_and_no_overdraft(api: Api, engine: SineEngine) -> None:
    poor = api.as_key(make_key(api.folder, "poor", balance_usd="0.0025"))
    engine.hold()
    with poor:
        # 0.001 USD each: two fit while they run, the third does not.
        poor.submit()
        last = poor.submit()
        refused(poor.post(T2A, {"tags": "x", "duration": 5}), 402, 400002)
        assert poor.get("/prod/v2/balance").json()["balance_usd"] == 0.0005
        poor.post(f"/v1/requests/{last}/cancel")
        assert poor.get("/prod/v2/balance").json()["balance_usd"] == 0.0015


def test_the_catalogue(api: Api) -> None:
    listed = api.get("/v1/models").json()
    assert listed["total"] == len(listed["models"]) == 5
    prices = {row["model_id"]: row["base_price_usd"] for row in listed["models"]}
    assert prices == {
        "acestep-ai/ace-step-1.5/text-to-audio": 0.0003,
        "acestep-ai/ace-step/text-to-audio": 0.0002,
        "acestep-ai/ace-step/audio-inpaint": 0.0002,
        "acestep-ai/ace-step/audio-outpaint": 0.0002,
        "elevenlabs/elevenlabs/music-generation": 0.0083,
    }
    assert all("input_schema" not in row for row in listed["models"])
    found = api.get("/v1/models", params={"search": "INPAINT", "include_schema": "true"}).json()
    assert found["total"] == 1
    (row,) = found["models"]
    assert row["required_inputs"] == ["audio", "tags"]
    assert row["input_schema"]["properties"]["end_time"]["default"] == 30.0
    second = api.get("/v1/models", params={"limit": 1, "offset": 1}).json()
    assert (second["total"], len(second["models"])) == (5, 1)
    assert api.get("/v1/models", params={"kind": "workflow"}).json()["total"] == 0
    assert api.get("/v1/models", params={"category": "audio-to-audio"}).json()["total"] == 2
    refused(api.get("/v1/models", params={"limit": 501}), 422, 422001)
    assert "audio-to-audio" in api.get("/v1/models/categories").json()["categories"]


def test_a_models_own_page(api: Api) -> None:
    page = api.get("/v1/models/acestep-ai/ace-step-1.5/text-to-audio").json()
    assert (page["base_price_usd"], page["price_unit"]) == (0.0003, "second")
    duration = page["input_schema"]["properties"]["duration"]
    assert (duration["minimum"], duration["maximum"], duration["default"]) == (5, 240, 60)


def test_elevenlabs_formats(api: Api) -> None:
    for output_format, rate_hz, kbit_s in (
        ("wav_16khz", 16_000, 0),
        ("wav_22khz", 22_050, 0),
        ("wav_24khz", 24_000, 0),
        ("wav_cd_quality", 44_100, 0),
        ("mp3_standard", 44_100, 128),
        ("mp3_high_quality", 44_100, 192),
    ):
        job = api.submit(
            "elevenlabs/elevenlabs/music-generation",
            prompt="warm jazz",
            music_length_ms=5000,
            output_format=output_format,
        )
        done = api.finished(job)
        assert done["cost"] == 0.0415
        file = api.files.get(done["output"]["audio"])
        assert file.headers["content-type"] == ("audio/mpeg" if kbit_s else "audio/wav")
        clip = Clip.from_bytes(file.content)
        assert (clip.rate_hz, clip.channels) == (rate_hz, 2)
        assert math.isclose(clip.duration_s, 5, abs_tol=0.06)
        if kbit_s:
            rate_kbit_s = len(file.content) * 8 / clip.duration_s / 1000
            assert math.isclose(rate_kbit_s, kbit_s, rel_tol=0.05)


def test_elevenlabs_prompt_holds_style_and_lyrics(api: Api, engine: SineEngine) -> None:
    model = "elevenlabs/elevenlabs/music-generation"
    prompt = "indie pop\nfemale vocal\n[Verse]\nchalk on the palms\n[Chorus]\nwe rise"
    api.finished(api.submit(model, prompt=prompt, music_length_ms=5000))
    api.finished(api.submit(model, prompt=prompt, music_length_ms=5000, force_instrumental=True))
    sung, played = engine.seen
    assert isinstance(sung, Request)
    assert (sung.tags, sung.duration_s) == ("indie pop, female vocal", 5.0)
    assert sung.lyrics == "[Verse]\nchalk on the palms\n[Chorus]\nwe rise"
    assert played.instrumental
    reply = api.post(f"/v1/models/{model}", {"prompt": "x", "music_length_ms": 4999})
    refused(reply, 422, 422001)


def test_links_follow_the_name_that_the_caller_used(api: Api) -> None:
    named = api.base_url.replace("127.0.0.1", "localhost")
    job = api.submit()
    api.finished(job)
    for host, start in (
        (named.removeprefix("http://"), named),
        ("evil host/..", api.base_url),
    ):
        reply = api.get(f"/v1/requests/{job}/result", headers={"Host": host})
        assert reply.json()["output"]["audio"].startswith(start + "/files/")


def test_an_open_server_takes_any_token_until_a_key_is_made(start: Start, tmp_path: Path) -> None:
    api = start(is_open=True)
    job = api.submit()
    assert api.finished(job)["status"] == "completed"
    assert api.get("/prod/v2/balance").json()["balance_usd"] == 999_999.999
    make_key(api.folder, "first")
    assert api.get(f"/v1/requests/{job}/status").status_code == 401
