"""The shared arrays agree with librosa, are computed once, and refuse what cannot be measured."""

import subprocess
import sys

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.analysis.features import (
    FEATURE_RATE_HZ,
    Features,
    FloatArray,
    mel_edges_hz,
    mel_matrix,
    onset_bands,
)
from workbench.errors import AudioError


def noise(*, seconds: float, rate_hz: int, channels: int = 2, seed: int = 0) -> FloatArray:
    generator = np.random.default_rng(seed)
    samples = generator.standard_normal((channels, round(seconds * rate_hz)), dtype=np.float32)
    return 0.1 * samples


def test_mel_matrix_is_librosas() -> None:
    expected = librosa.filters.mel(sr=FEATURE_RATE_HZ, n_fft=2048)
    np.testing.assert_allclose(mel_matrix(), expected, atol=1e-7)
    np.testing.assert_allclose(mel_edges_hz(), librosa.mel_frequencies(130, fmax=11025.0))


def test_power_and_mel_power_are_librosas() -> None:
    features = Features(noise(seconds=3.3, rate_hz=FEATURE_RATE_HZ), FEATURE_RATE_HZ)
    mono = features.mono_22k
    spectrum = librosa.stft(mono)
    np.testing.assert_allclose(features.power, np.abs(spectrum) ** 2, rtol=1e-3, atol=1e-4)
    expected = librosa.feature.melspectrogram(y=mono, sr=FEATURE_RATE_HZ)
    np.testing.assert_allclose(features.mel_power, expected, rtol=1e-4, atol=1e-6)


def test_mono_is_the_mean_over_channels() -> None:
    samples = noise(seconds=0.5, rate_hz=48_000, channels=3)
    np.testing.assert_allclose(Features(samples, 48_000).mono, samples.mean(axis=0), atol=1e-7)


def test_arrays_are_computed_once_and_cannot_be_changed() -> None:
    features = Features(noise(seconds=1, rate_hz=48_000), 48_000)
    names = ("mono", "mono_22k", "power", "mel_power", "onset_bands")
    for name in names:
        assert getattr(features, name) is getattr(features, name)
    with pytest.raises(ValueError, match="read-only"):
        features.power[0, 0] = 1


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 32_000, 44_100, 96_000, 192_000])
def test_every_rate_gives_the_same_tone_and_length(rate_hz: int) -> None:
    time_s = np.arange(2 * rate_hz) / rate_hz
    features = Features(0.5 * np.sin(2 * np.pi * 1000 * time_s)[None], rate_hz)
    assert abs(len(features.mono_22k) - 2 * FEATURE_RATE_HZ) <= 1
    loudest_hz = features.power.mean(axis=1).argmax() * FEATURE_RATE_HZ / 2048
    assert abs(loudest_hz - 1000) < FEATURE_RATE_HZ / 2048
    middle = features.mono_22k[FEATURE_RATE_HZ // 2 : -FEATURE_RATE_HZ // 2]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.005)


def test_onset_bands_show_an_onset_where_it_is_and_ignore_gain() -> None:
    samples = np.zeros((1, 3 * FEATURE_RATE_HZ), dtype=np.float32)
    samples[0, FEATURE_RATE_HZ:] = noise(seconds=2, rate_hz=FEATURE_RATE_HZ, channels=1)
    bands = Features(samples, FEATURE_RATE_HZ).onset_bands
    assert abs(bands.sum(axis=0).argmax() * 512 / FEATURE_RATE_HZ - 1.0) < 0.03
    quieter = Features(samples * 0.01, FEATURE_RATE_HZ).onset_bands
    np.testing.assert_allclose(quieter, bands, rtol=2e-2, atol=2e-2)


def test_silence_and_a_steady_tone_have_no_onsets() -> None:
    silent = Features(np.zeros((2, 48_000), dtype=np.float32), 48_000)
    assert not silent.onset_bands.any()
    tone = np.sin(2 * np.pi * 440 * np.arange(4 * 48_000) / 48_000)[None]
    assert Features(tone, 48_000).onset_bands.max() < 1


def test_onset_bands_never_raise_an_almost_empty_band() -> None:
    generator = np.random.default_rng(0)
    mel_power = generator.random((128, 400), dtype=np.float32) ** 4
    mel_power[:16] *= 1e-6
    deviation = onset_bands(mel_power).std(axis=1)
    assert deviation[0] < 0.01
    assert deviation[1:].max() <= 1.01


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(1000, dtype=np.float32),
        np.zeros((2, 0), dtype=np.float32),
        np.zeros((0, 10), dtype=np.float32),
        np.zeros((2, 100), dtype=np.int16),
        np.zeros((48_000, 2), dtype=np.float32),
        np.zeros((1, 2, 100), dtype=np.float32),
    ],
    ids=["flat", "empty", "no channel", "integers", "channels last", "three axes"],
)
def test_wrong_shapes_and_types_are_refused(samples: FloatArray) -> None:
    with pytest.raises(AudioError, match="samples have shape"):
        Features(samples, 48_000)


@given(
    place=st.integers(0, 1999),
    channel=st.integers(0, 1),
    value=st.sampled_from([np.nan, np.inf, -np.inf]),
)
@settings(max_examples=25, deadline=None)
def test_any_sample_that_is_not_finite_is_refused(place: int, channel: int, value: float) -> None:
    samples = noise(seconds=0.25, rate_hz=8_000)
    samples[channel, place] = value
    with pytest.raises(AudioError, match="NaN or infinity"):
        Features(samples, 8_000)


def test_huge_but_finite_samples_are_not_called_infinite() -> None:
    samples = np.full((1, 10), 3e38, dtype=np.float32)
    with np.errstate(over="ignore"):
        assert Features(samples, 48_000).samples.shape == (1, 10)


@pytest.mark.parametrize("rate_hz", [0, -48_000, 999, 400_000, 44_100.5])
def test_impossible_rates_are_refused(rate_hz: int) -> None:
    with pytest.raises(AudioError, match="rate_hz"):
        Features(np.zeros((1, 100), dtype=np.float32), rate_hz)


def test_importing_the_features_loads_neither_librosa_nor_torch() -> None:
    probe = (
        "import sys, workbench.analysis.beats; "
        "print([m for m in ('librosa', 'numba', 'torch', 'matplotlib') if m in sys.modules])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "[]"
