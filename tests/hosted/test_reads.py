"""Reads and downloads that fail, once or for good."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from tests.hosted.conftest import BOTH, Maker, delivered, outcome, submits
from tests.hosted.far import (
    HTML,
    Far,
    Fault,
    answers,
    cut,
    http,
    reset_before,
    slow,
)
from workbench.clip import Clip
from workbench.engines.hosted import (
    Settings,
    runcomfy_base,
)
from workbench.engines.hosted.faults import JobFailed

PASSING: dict[str, Fault] = {
    "reset": reset_before,
    "500": answers(500),
    "502": answers(502, b"bad gateway"),
    "503": answers(503, Retry_After="0"),
    "html": HTML,
    "cut": cut,
    "slow": slow(1.4),
    "broken json": answers(200, b"{"),
    "429 by date": answers(
        429, Retry_After="Wed, 01 Jan 2020 00:00:00 GMT", Date="Wed, 01 Jan 2020 00:00:00 GMT"
    ),
}


@BOTH
@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_reads_are_repeated_on_every_call(
    make: Maker, fault: Fault, far: Far, settings: Settings
) -> None:
    for route in ("price", "status", "result", "sky-job"):
        far.next_fails(route, fault)
    made = delivered(make(settings))
    assert made.audio
    assert submits(far) == 1


FILES: dict[str, Fault] = {
    "reset": reset_before,
    "500": answers(500),
    "429": answers(429, Retry_After="0"),
    "cut": cut,
    "html": HTML,
    "expired 403": answers(403),
    "expired 404": answers(404),
    "gone 410": answers(410),
    "empty": answers(200, b""),
    "cut without a length": lambda far, normal: (
        b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n" + far.file[: len(far.file) // 2]
    ),
    "wrong length": lambda far, normal: (
        b"HTTP/1.1 200 X\r\nConnection: close\r\nContent-Length: 999999\r\n\r\n" + far.file
    ),
}


@BOTH
@pytest.mark.parametrize("fault", FILES.values(), ids=FILES.keys())
def test_a_file_that_fails_once_is_fetched_again(
    make: Maker, fault: Fault, far: Far, settings: Settings, files: Path
) -> None:
    far.next_fails("file", fault)
    made = delivered(make(settings))
    assert isinstance(made.audio, Path)
    assert made.audio.read_bytes() == far.file
    assert list(files.iterdir()) == [made.audio]


@cache
def much_silence() -> bytes:
    """A small file that is far longer than what was asked for."""
    file = BytesIO()
    Clip(np.zeros((2, 10_000_000), np.float32), 48_000).encode(file, ".flac")
    return file.getvalue()


LASTING: dict[str, Fault] = {
    "silence for ever": lambda far, normal: http(200, much_silence()),
    "html": HTML,
    "expired": answers(404),
    "foreign redirect": answers(302, Location="http://evil.example/a.wav"),
    "loopback redirect": answers(302, Location="http://127.0.0.1:9/a.wav"),
    "endless redirect": answers(302, Location="/files/job-0.wav"),
    "too large, announced": lambda far, normal: (
        b"HTTP/1.1 200 X\r\nContent-Length: 99999999999\r\n\r\n"
    ),
    "too large, streamed": lambda far, normal: (
        b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n" + bytes(34 * 2**20)
    ),
    "cut for good": lambda far, normal: http(200, far.file[:999]),
}


@BOTH
@pytest.mark.parametrize("fault", LASTING.values(), ids=LASTING.keys())
def test_a_file_that_cannot_be_had_keeps_the_charge(
    make: Maker, fault: Fault, far: Far, settings: Settings, files: Path
) -> None:
    much_silence()  # made before anyone waits for it
    far.next_fails("file", *[fault] * 40)
    result = outcome(make(settings))
    assert isinstance(result, JobFailed), repr(result)
    assert result.charge.amount_usd > 0
    assert list(files.iterdir()) == []


def test_redirects_among_trusted_hosts_are_followed_without_a_token(
    far: Far, settings: Settings
) -> None:
    far.next_fails("file", answers(302, Location="/files/moved.wav"))
    delivered(runcomfy_base(settings))
    files = [call for call in far.calls if call.route == "file"]
    assert len(files) == 2
    assert all("authorization" not in call.headers for call in files)


def test_a_link_to_a_foreign_host_is_not_asked(far: Far, settings: Settings) -> None:
    far.link = "https://evil.example/a.wav"
    result = outcome(runcomfy_base(settings))
    assert isinstance(result, JobFailed)
    assert "evil.example" in str(result)


def test_a_name_that_climbs_stays_in_the_folder(far: Far, settings: Settings, files: Path) -> None:
    far.link = f"{far.base}/files/..%2F..%2F..%2Fetc%2Fcron.d%2Fx.wav"
    made = delivered(runcomfy_base(settings))
    assert isinstance(made.audio, Path)
    assert made.audio.parent == files
    assert made.received["file_name"] == "_.._.._etc_cron.d_x.wav"
