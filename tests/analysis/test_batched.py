"""Are features computed together those computed one by one?"""

import subprocess
import sys

import numpy as np
import pytest

from workbench.analysis.batched import batched_features
from workbench.analysis.features import Features, FloatArray
from workbench.analysis.tempo import estimate_tempo
from workbench.errors import AudioError

# What the module's text states for white noise, its worst case.
TOLERANCE = {"mono_22k": 1.5e-3, "power": 1.6e-3, "mel_power": 7e-4, "onset_bands": 1.3e-3}


def noise(length: int, *, channels: int = 2, seed: int = 0) -> FloatArray:
    generator = np.random.default_rng(seed)
    return 0.1 * generator.standard_normal((channels, length), dtype=np.float32)


def clicks(tempo_bpm: float, *, rate_hz: int, duration_s: float) -> FloatArray:
    samples = np.zeros((1, round(duration_s * rate_hz)), np.float32)
    for beat_s in np.arange(0.5, duration_s - 0.1, 60 / tempo_bpm):
        start = round(beat_s * rate_hz)
        samples[0, start : start + 400] = 8 * noise(400, channels=1)[0]
    return samples


def share(found: FloatArray, expected: FloatArray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def assert_same(found: Features, expected: Features) -> None:
    for name, tolerance in TOLERANCE.items():
        array, reference = getattr(found, name), getattr(expected, name)
        assert array.shape == reference.shape
        assert array.dtype == reference.dtype
        assert array.strides == reference.strides  # rulers walk them frame by frame
        assert share(array, reference) < tolerance, name


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 32_000, 44_100, 48_000, 96_000, 44_099])
def test_they_are_those_of_one_clip_at_every_rate(rate_hz: int) -> None:
    samples = [noise(4 * rate_hz + 13, channels=channels, seed=channels) for channels in (1, 2)]
    for found, clip in zip(batched_features(samples, rate_hz, "cpu"), samples, strict=True):
        assert_same(found, Features(clip, rate_hz))


def test_other_clips_of_the_pass_do_not_matter() -> None:
    first, second = noise(96_000), 1e-3 * noise(96_000, seed=1)
    (alone,) = batched_features([second], 48_000, "cpu")
    together = batched_features([first, second], 48_000, "cpu")[1]
    for name in TOLERANCE:
        np.testing.assert_allclose(getattr(together, name), getattr(alone, name), rtol=1e-4, atol=0)


def test_many_passes_keep_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.analysis.batched._SECONDS_PER_PASS", 2)
    samples = [noise(22_050, seed=seed) for seed in range(5)]
    for found, clip in zip(batched_features(samples, 22_050, "cpu"), samples, strict=True):
        assert_same(found, Features(clip, 22_050))


def test_a_wrong_clip_is_seen() -> None:
    (found,) = batched_features([noise(48_000)], 48_000, "cpu")
    with pytest.raises(AssertionError):
        assert_same(found, Features(1.01 * noise(48_000), 48_000))


def test_the_tempo_read_from_them_is_the_same() -> None:
    samples = [clicks(tempo, rate_hz=48_000, duration_s=12) for tempo in (97.0, 131.0)]
    found = batched_features(samples, 48_000, "cpu")
    for clip, features, tempo_bpm in zip(samples, found, (97.0, 131.0), strict=True):
        estimated_bpm = estimate_tempo(features).tempo_bpm
        assert estimated_bpm == pytest.approx(tempo_bpm, rel=0.002)
        expected_bpm = estimate_tempo(Features(clip, 48_000)).tempo_bpm
        assert estimated_bpm == pytest.approx(expected_bpm, rel=1e-4)


@pytest.mark.parametrize("length", [1, 300, 5_000])
def test_short_and_silent_clips_are_as_alone(length: int) -> None:
    samples = [noise(length), np.zeros((1, length), np.float32)]
    sounding, silent = batched_features(samples, 22_050, "cpu")
    expected = Features(samples[0], 22_050)
    for name in TOLERANCE:
        np.testing.assert_allclose(
            getattr(sounding, name), getattr(expected, name), rtol=1e-3, atol=1e-5
        )
        assert not getattr(silent, name).any()


def test_arrays_cannot_be_changed_and_are_not_computed_again() -> None:
    (features,) = batched_features([noise(48_000)], 48_000, "cpu")
    assert features.power is features.power
    assert set(TOLERANCE) <= vars(features).keys()
    with pytest.raises(ValueError, match="read-only"):
        features.power[0, 0] = 1


def test_only_shared_arrays_are_adopted() -> None:
    with pytest.raises(TypeError, match="samples is no shared array"):
        Features(noise(1000), 48_000).adopt(samples=noise(1000))


def test_no_clips_give_no_features() -> None:
    assert batched_features([], 48_000, "cpu") == []


def test_clips_of_two_lengths_or_none_are_refused() -> None:
    with pytest.raises(AudioError, match="from 100 to 200 samples"):
        batched_features([noise(100), noise(200)], 48_000, "cpu")
    with pytest.raises(AudioError, match="NaN"):
        batched_features([np.full((1, 100), np.nan)], 48_000, "cpu")


def test_a_users_choice_of_precision_comes_back() -> None:
    import torch

    torch.set_float32_matmul_precision("high")
    try:
        batched_features([noise(1000)], 48_000, "cpu")
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_a_gpu_gives_the_same() -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("needs a GPU that torch can use")
    samples = [noise(96_000, seed=seed) for seed in range(4)]
    for found, clip in zip(batched_features(samples, 48_000, "cuda"), samples, strict=True):
        assert_same(found, Features(clip, 48_000))


def test_importing_it_loads_no_torch() -> None:
    probe = "import sys, workbench.analysis.batched; print('torch' in sys.modules)"
    shown = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "False"
