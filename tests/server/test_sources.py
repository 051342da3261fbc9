"""Can source audio lead the server anywhere it must not go, or drown it?"""

import base64
import http.server
import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from tests.server.conftest import Api, SineEngine, Start, sine
from workbench.clip import Clip
from workbench.errors import RequestError
from workbench.request import Inpaint
from workbench.server import sources

INPAINT = "acestep-ai/ace-step/audio-inpaint"
OUTPAINT = "acestep-ai/ace-step/audio-outpaint"
NOWHERE: frozenset[str] = frozenset()


def encoded(clip: Clip, suffix: str = ".wav") -> bytes:
    file = io.BytesIO()
    clip.encode(file, suffix)
    return file.getvalue()


def data_uri(data: bytes, kind: str = "audio/wav") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


class Files(http.server.BaseHTTPRequestHandler):
    """Answers a path with what the test put there: bytes, or a redirect's target."""

    pages: dict[str, bytes | str]
    asked: list[tuple[str, dict[str, str]]]

    def do_GET(self) -> None:
        self.asked.append((self.path, dict(self.headers.items())))
        page = self.pages.get(self.path, b"")
        self.send_response(302 if isinstance(page, str) else 200)
        if isinstance(page, str):
            self.send_header("Location", page)
        self.end_headers()
        if isinstance(page, bytes):
            self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def file_host(
    pages: dict[str, bytes | str],
) -> Iterator[tuple[str, list[tuple[str, dict[str, str]]]]]:
    asked: list[tuple[str, dict[str, str]]] = []
    handler = type("Handler", (Files,), {"pages": pages, "asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as host:
        thread = threading.Thread(target=host.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{host.server_port}", asked
        finally:
            host.shutdown()
            thread.join()


def test_an_inpaint_from_a_data_uri(api: Api, engine: SineEngine) -> None:
    source = sine(60, rate_hz=8000)
    job = api.submit(
        INPAINT,
        audio=data_uri(encoded(source)),
        tags="fade, ambient pad",
        start_time=15,
        start_time_relative_to="end",
        end_time=0,
        end_time_relative_to="end",
    )
    done = api.finished(job)
    assert done["status"] == "completed", done
    assert done["cost"] == 0.012, "the whole output is billed"
    (heard,) = engine.seen
    assert isinstance(heard, Inpaint)
    assert heard.span.resolve(60) == (45, 60)
    assert not list((api.folder / "sources").iterdir()), "the source goes with the job"


def test_an_outpaint_from_an_allowed_address(start: Start) -> None:
    flac = encoded(Clip(np.zeros((1, 80_000), np.float32), 8000), ".flac")
    with file_host({"/a.flac": flac, "/moved": "/a.flac"}) as (host, asked):
        api = start(source_hosts=frozenset({"127.0.0.1"}))
        job = api.submit(
            OUTPAINT,
            audio=f"{host}/moved",
            tags="intro",
            extend_before_duration=2,
            extend_after_duration=0,
        )
        done = api.finished(job)
    assert done["cost"] == 0.0024
    clip = Clip.from_bytes(api.files.get(done["output"]["audio"]).content)
    assert clip.duration_s == 12
    assert [path for path, _ in asked] == ["/moved", "/a.flac"]
    sent = {name.lower() for _, headers in asked for name in headers}
    assert not sent & {"authorization", "cookie"}


PRIVATE = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0",
    "localhost",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:10.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[fe80::1]",
    "[fc00::1]",
    "[fec0::1]",
    "[ff02::1]",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
]


@pytest.mark.parametrize("host", PRIVATE)
def test_private_addresses_are_never_reached(tmp_path: Path, host: str) -> None:
    with pytest.raises(RequestError, match="not a public address"):
        sources.take_in(f"https://{host}/a.wav", tmp_path / "source", NOWHERE)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1/a.wav",
        "https://127.0.0.1:8443/a.wav",
        "https://user:secret@127.0.0.1/a.wav",  # pragma: allowlist secret
        "https://@127.0.0.1/a.wav",
        "https:///a.wav",
        "https://",
        "https://[::1/a.wav",
        "https://exa mple/a.wav",
        "https://127.0.0.1\\@example.com/a.wav",
        "file:///etc/passwd",
        "ftp://127.0.0.1/a.wav",
        "gopher://127.0.0.1/",
        "https://" + "a" * 300 + ".invalid/",
    ],
)
def test_addresses_that_are_refused_by_their_look(tmp_path: Path, address: str) -> None:
    with pytest.raises(RequestError, match="audio:"):
        sources.take_in(address, tmp_path / "source", NOWHERE)
    assert not list(tmp_path.iterdir())


def test_a_redirect_starts_all_checks_over(tmp_path: Path) -> None:
    targets = {
        "/a": "https://localhost/a.wav",
        "/b": "http://127.0.0.2/a.wav",
        "/c": "file:///etc/passwd",
        "/d": "//169.254.169.254/latest",
        "/e": "/e",
        "/f": "https://[::1]/",
        "/g": "",
    }
    with file_host(dict(targets)) as (host, asked):
        for path in targets:
            with pytest.raises(RequestError, match="audio:"):
                sources.take_in(host + path, tmp_path / "source", frozenset({"127.0.0.1"}))
        assert {path for path, _ in asked} == set(targets)
    assert not list(tmp_path.iterdir())


def test_a_name_is_judged_by_what_it_resolves_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [("93.184.216.34", 443), ("10.0.0.7", 443)]
    looked_up: list[str] = []

    def resolve(host: str, port: int, **options: object) -> list[tuple[object, ...]]:
        looked_up.append(host)
        return [(2, 1, 6, "", answer) for answer in answers]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(RequestError, match="rebound is not a public address"):
        sources.take_in("https://rebound/a.wav", tmp_path / "source", NOWHERE)
    assert looked_up == ["rebound"], "looked up once: what was checked is what is used"


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (b"<html>no</html>", "MP3, WAV or FLAC"),
        (b"", "MP3, WAV or FLAC"),
        (b"RIFF" + bytes(100), "damaged"),
        (encoded(sine(1, rate_hz=8000), ".ogg"), "MP3, WAV or FLAC"),
    ],
)
def test_what_is_no_audio(tmp_path: Path, page: bytes, said: str) -> None:
    with file_host({"/a": page}) as (host, _), pytest.raises(RequestError, match=said):
        sources.take_in(f"{host}/a", tmp_path / "source", frozenset({"127.0.0.1"}))


def test_size_length_and_time_are_capped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = frozenset({"127.0.0.1"})
    hour = io.BytesIO()
    sf.write(hour, np.zeros(3601 * 100, np.int16), 100, format="WAV")
    monkeypatch.setattr(sources, "_FILE_MAX_BYTES", 800_000)
    with file_host({"/fat": bytes(2_000_000), "/long": hour.getvalue()}) as (host, _):
        with pytest.raises(RequestError, match="MiB"):
            sources.take_in(f"{host}/fat", tmp_path / "source", allowed)
        with pytest.raises(RequestError, match="60 minutes"):
            sources.take_in(f"{host}/long", tmp_path / "source", allowed)
        monkeypatch.setattr(sources, "_FETCH_MAX_S", 0.0)
        with pytest.raises(RequestError, match="not here after"):
            sources.take_in(f"{host}/long", tmp_path / "source", allowed)
    with pytest.raises(RequestError, match="gave no answer"):
        sources.take_in(f"{host}/gone", tmp_path / "source", allowed)


@pytest.mark.parametrize(
    ("audio", "said"),
    [
        ("data:audio/wav;base64,####", "base64"),
        ("data:audio/wav,abc", "base64,"),
        ("data:;base64," + "A" * 23_000_000, "16 MiB"),
        (data_uri(b"<html>"), "MP3, WAV or FLAC"),
    ],
)
def test_bad_data_uris(tmp_path: Path, audio: str, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        sources.take_in(audio, tmp_path / "source", NOWHERE)


def test_spans_and_totals_are_checked_against_the_source(api: Api) -> None:
    audio = data_uri(encoded(Clip(np.zeros((1, 30_000), np.float32), 100)))  # 300 s
    for model, inputs in (
        (INPAINT, {"start_time": 0, "end_time": 0, "end_time_relative_to": "end"}),
        (INPAINT, {"start_time": 30, "end_time": 20}),
        (INPAINT, {"start_time": 241, "end_time": 242}),
        (OUTPAINT, {"extend_after_duration": 1}),
        (OUTPAINT, {"extend_before_duration": 0, "extend_after_duration": 0}),
    ):
        reply = api.post(f"/v1/models/{model}", {"audio": audio, "tags": "x", **inputs})
        assert reply.status_code == 422, inputs
    for bad in ("https://127.0.0.1/a.wav", "nonsense", ""):
        reply = api.post(f"/v1/models/{INPAINT}", {"audio": bad, "tags": "x"})
        assert reply.status_code == 422
        assert reply.json()["error_code"] == 422001
    assert not list((api.folder / "sources").iterdir())
