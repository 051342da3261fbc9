"""Clips and files: exact where lossless, complete or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from workbench.clip import Clip, sniff
from workbench.errors import AudioError

RNG = np.random.default_rng(1)
NOISE = (RNG.standard_normal((2, 96_000)) * 0.1).astype(np.float32)
ON_16_BITS = np.round(NOISE * 32768).clip(-32768, 32767).astype(np.float32) / np.float32(32768)
ON_24_BITS = np.round(NOISE * 2**23).astype(np.float32) / np.float32(2**23)
SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus")


@pytest.mark.parametrize(
    ("samples", "suffix"),
    [(ON_16_BITS, ".flac"), (ON_24_BITS, ".flac"), (NOISE / np.float32(3), ".wav")],
)
def test_the_lossless_container_gives_back_every_sample(
    samples: np.ndarray, suffix: str, tmp_path: Path
) -> None:
    clip = Clip(samples, 48_000)
    assert clip.lossless_suffix == suffix
    clip.write(tmp_path / f"a{suffix}")
    assert Clip.read(tmp_path / f"a{suffix}") == clip


def test_samples_beyond_full_scale_survive(tmp_path: Path) -> None:
    clip = Clip(np.array([[1.5, -1.25, 0.0]], np.float32), 48_000)
    clip.write(tmp_path / f"a{clip.lossless_suffix}")
    assert Clip.read(tmp_path / f"a{clip.lossless_suffix}") == clip
    with pytest.raises(AudioError, match="exactly"):
        clip.write(tmp_path / "a.flac")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_is_written_and_read(suffix: str, tmp_path: Path) -> None:
    clip = Clip(ON_16_BITS, 48_000)
    path = tmp_path / f"a{suffix}"
    clip.write(path)
    assert sniff(path.read_bytes()[:16]) in {suffix, ".ogg"}
    again = Clip.read(path)
    assert (again.rate_hz, again.channels) == (48_000, 2)
    assert abs(again.duration_s - 2) < 0.06


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.6, 0.95])
def test_a_file_cut_short_is_refused(suffix: str, share: float, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    Clip(ON_16_BITS, 48_000).write(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(AudioError, match=f"^a{suffix} "):
        Clip.read(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"<html>", b"RIFF", b"fLaC" + bytes(40)])
def test_what_is_no_audio_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=r"^a\.wav "):
        Clip.read(path)


def test_a_file_that_claims_to_be_enormous_is_refused_before_memory_is_taken(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.flac"
    Clip(ON_16_BITS, 48_000).write(path)
    data = bytearray(path.read_bytes())
    # STREAMINFO ends in 36 bits of the number of samples, then an MD5 of 16 bytes.
    data[21] |= 0x0F
    data[22:26] = b"\xff" * 4
    path.write_bytes(data)
    with pytest.raises(AudioError, match="says that it holds 1"):
        Clip.read(path)


def test_a_small_file_of_much_silence_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    Clip(np.zeros((8, 200_000), np.float32), 48_000).write(path)
    assert path.stat().st_size < 50_000
    assert Clip.read(path, samples_max=1_600_000).samples.shape == (8, 200_000)
    with pytest.raises(AudioError, match="cut it into parts"):
        Clip.read(path, samples_max=1_599_999)


def test_a_folder_or_a_missing_file_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is a folder"):
        Clip.read(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        Clip.read(tmp_path / "nothing.wav")


def test_a_clip_cannot_be_changed_in_place() -> None:
    clip = Clip(ON_16_BITS, 48_000)
    with pytest.raises(ValueError, match="read-only"):
        clip.samples[0, 0] = 1


def test_cutting_clamps_to_the_clip() -> None:
    clip = Clip(ON_16_BITS, 48_000)
    assert clip.cut(-1, 99) == clip
    assert clip.cut(1.5, 9).duration_s == 0.5


@pytest.mark.parametrize("shape", [(2, 3, 4), (40, 10)])
def test_a_shape_that_is_no_audio_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(AudioError, match="shaped"):
        Clip(np.zeros(shape, np.float32), 48_000)
