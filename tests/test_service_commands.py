"""Command lines written for the services' own clients, with only their first words changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench import sketch
from workbench.clip import Clip
from workbench.engines.sketch import SketchEngine
from workbench.server import Settings, make_key, running_server

# `--input` of each command line, as published; "SOURCE" stands for the example's track, and
# lengths are cut to keep the test short.
TEXT = "acestep-ai/ace-step/text-to-audio"
COMMANDS = [
    (
        TEXT,
        '{"tags": "lo-fi hip-hop, mellow, vinyl crackle, rhodes piano, soft drums, 75 BPM", '
        '"lyrics": "[inst]", "duration": 10}',
        10,
    ),
    (
        "acestep-ai/ace-step-1.5/text-to-audio",
        '{"tags": "indie pop, anthemic, electric guitar, driving drums, female vocal, 120 BPM", '
        '"lyrics": "[Verse]\\nChalk on the palms, laces double-knotted\\n[Chorus]\\nWe rise, we '
        'strike, we never fade out\\n[Bridge]\\nSoft piano breakdown\\n[Outro]\\nFull band, fade", '
        '"duration": 12}',
        12,
    ),
    (
        "acestep-ai/ace-step/audio-inpaint",
        '{"audio": "SOURCE", "tags": "indie pop, breakdown, piano only, soft, no drums", '
        '"start_time": 4, "end_time": 8, "lyrics": "[inst]"}',
        14,
    ),
    (
        "acestep-ai/ace-step/audio-inpaint",
        '{"audio": "SOURCE", "tags": "indie pop, fade, soft, ambient pad", "start_time": 5, '
        '"start_time_relative_to": "end", "end_time": 0, "end_time_relative_to": "end"}',
        14,
    ),
    (
        "acestep-ai/ace-step/audio-outpaint",
        '{"audio": "SOURCE", "tags": "indie pop, electric guitar, drums, build-up before chorus, '
        'fade outro", "extend_before_duration": 3, "extend_after_duration": 6, "lyrics": "[inst]"}',
        23,
    ),
    (
        "acestep-ai/ace-step/audio-outpaint",
        '{"audio": "SOURCE", "tags": "ambient pad, soft fade, low volume tail", '
        '"extend_before_duration": 0, "extend_after_duration": 5}',
        19,
    ),
]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A track of 14 s; a file, since a service fetches addresses from public hosts alone."""
    path = tmp_path_factory.mktemp("music") / "track.wav"
    plan, _ = sketch.plan_from_words(
        ["indie pop"],
        lyrics_sections=[],
        tempo_bpm=120,
        key=None,
        time_signature=None,
        duration_s=14,
        seed=1,
        vocal=False,
    )
    Clip(sketch.render(plan)[0], sketch.RATE_HZ).write(path)
    return str(path)


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Our server, closed by a key: its base address and that key."""
    folder = tmp_path_factory.mktemp("server")
    key = make_key(folder, "a user", balance_usd=5, credits=500)
    with running_server(Settings(SketchEngine(), folder)) as base:
        yield base, key


def run(
    arguments: list[str], far: tuple[str, str], folder: Path, **changes: str
) -> subprocess.CompletedProcess[str]:
    base, key = far
    env = {k: v for k, v in os.environ.items() if not k.startswith(("RUNCOMFY", "SKYSTUDIO"))}
    env |= {
        "RUNCOMFY_MODEL_API_BASE": f"{base}/v1",
        "RUNCOMFY_SERVERLESS_API_BASE": f"{base}/prod/v2",
        "RUNCOMFY_CONFIG_DIR": str(folder / "config"),
        "RUNCOMFY_TOKEN": key,
        **changes,
    }
    code = "import sys; from workbench.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(
        command, env=env, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize(("model", "wish", "length_s"), COMMANDS)
def test_each_published_command_line_works(
    model: str, wish: str, length_s: float, source: str, far: tuple[str, str], tmp_path: Path
) -> None:
    wish = wish.replace("SOURCE", source)
    done = run(["generate", model, "--input", wish, "--output-dir", "./out"], far, tmp_path)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    clip = Clip.read(tmp_path / made["file"])
    assert clip.duration_s == pytest.approx(length_s, abs=0.1)
    assert made["charged_usd"] > 0
    assert far[1] not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "changes", "code", "words"),
    [
        (["generate", TEXT], {}, 64, "input"),
        (["generate", TEXT, "--input", "{"], {}, 65, "no JSON"),
        (["generate", TEXT, "--input", '{"tags": "a", "duration": 300}'], {}, 65, "240"),
        (["generate", TEXT, "--input", '{"tags": "a"}'], {"RUNCOMFY_TOKEN": ""}, 77, "login"),
        (["generate", TEXT, "--input", '{"tags": "a"}'], {"RUNCOMFY_TOKEN": "wrong"}, 77, "login"),
    ],
)
def test_each_listed_exit_code(
    arguments: list[str],
    changes: dict[str, str],
    code: int,
    words: str,
    far: tuple[str, str],
    tmp_path: Path,
) -> None:
    done = run(arguments, far, tmp_path, **changes)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def curl(*arguments: str) -> dict[str, object]:
    done = subprocess.run(
        ["curl", "-sS", *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    return dict(json.loads(done.stdout))


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "upbeat electronic dance music", "duration": 30, "format": "mp3"},
        {"prompt": "chill lo-fi hip hop beats to study to", "duration": 30, "instrumental": True},
        {
            "prompt": "upbeat pop song with bright synths",
            "lyrics": "[verse]\nWalking through the city lights\n[chorus]\nWe are the stars",
            "duration": 20,
            "vocal_language": "en",
            "bpm": 120,
        },
        {"prompt": "jazz piano"},
    ],
)
def test_each_published_curl_call_works(
    body: dict[str, object], far: tuple[str, str], tmp_path: Path
) -> None:
    base, key = far
    signed = ["-H", f"Authorization: Bearer {key}"]
    post = [*signed, "-H", "Content-Type: application/json"]
    data = json.dumps({"model": "ace-step-1.5", "input": body})
    job = curl("-X", "POST", f"{base}/api/v1/generate", *post, "-d", data)
    assert job["status"] == "submitted"
    assert job["estimated_credits"] == body.get("duration", 30)
    deadline = time.monotonic() + 60
    state: dict[str, object] = {}
    while time.monotonic() < deadline and state.get("status") != "completed":
        state = curl(f"{base}{job['poll_url']}", *signed)
        time.sleep(0.1)
    assert state["status"] == "completed"
    assert state["billed_credits"] == job["estimated_credits"]
    subprocess.run(
        ["curl", "-sS", "-o", str(tmp_path / "song"), str(state["output_url"])],
        check=True,
        timeout=60,
    )
    assert Clip.read(tmp_path / "song").duration_s == pytest.approx(
        float(str(body.get("duration", 30))), abs=0.1
    )


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_a_repeated_idempotency_key_names_the_first_job(far: tuple[str, str]) -> None:
    base, key = far
    call = ["-X", "POST", f"{base}/api/v1/generate"]
    call += ["-H", f"Authorization: Bearer {key}", "-H", "Content-Type: application/json"]
    call += ["-H", "Idempotency-Key: 550e8400-e29b-41d4-a716-446655440000"]
    call += ["-d", '{ "model": "ace-step-1.5", "input": { "prompt": "jazz piano" } }']
    first, second = curl(*call), curl(*call)
    error = second["error"]
    assert isinstance(error, dict)
    assert error["code"] == "IDEMPOTENCY_CONFLICT"
    assert error["details"]["existing_job_id"] == first["id"]
