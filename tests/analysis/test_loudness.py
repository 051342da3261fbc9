"""Loudness and true peak against tones of known level and against an independent implementation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.signal

from workbench.analysis.checks import score_levels
from workbench.analysis.checks.level_material import music, peak_tone, tone
from workbench.analysis.loudness import (
    KWeighted,
    k_weighting_sos,
    loudness_lufs,
    loudness_range_lu,
    momentary_lufs,
    momentary_max_lufs,
)
from workbench.analysis.peaks import Peaks, sample_peak_dbfs, true_peak_dbtp
from workbench.analysis.products import FloatArray
from workbench.errors import AudioError

RATE_HZ = 48_000
# What BS.1770-4 prints for 48 kHz: b0 b1 b2 1 a1 a2.
PUBLISHED_SOS = [
    [1.53512485958697, -2.69169618940638, 1.19839281085285, 1, -1.69065929318241, 0.73248077421585],
    [1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621],
]


def test_filters_at_48_khz_are_those_of_the_standard() -> None:
    np.testing.assert_allclose(k_weighting_sos(48_000), PUBLISHED_SOS, atol=1e-8)


@pytest.mark.parametrize(
    ("rate_hz", "tolerance_db"),
    [(16_000, 0.07), (22_050, 0.03), (44_100, 0.002), (96_000, 0.007), (192_000, 0.008)],
)
def test_weighting_is_the_same_at_other_rates(rate_hz: int, tolerance_db: float) -> None:
    assert np.abs(score_levels.weighting_errors_db(rate_hz)).max() < tolerance_db


@pytest.mark.parametrize("rate_hz", [22_050, 44_100, 48_000, 96_000])
def test_loudness_of_the_test_tones(rate_hz: int) -> None:
    errors = score_levels.loudness_errors_lu(rate_hz)
    assert len(errors) == 5
    assert np.abs(errors).max() < 0.04


def test_loudness_at_8_khz_is_known_to_be_off() -> None:
    assert 0.1 < np.abs(score_levels.loudness_errors_lu(8_000)).max() < 0.25


def test_music_reads_the_same_at_8_khz() -> None:
    wide = music(2, RATE_HZ, seconds=5.0)
    narrow = scipy.signal.resample_poly(wide, 1, 6, axis=1)
    same = scipy.signal.resample_poly(narrow, 6, 1, axis=1)
    low = loudness_lufs(KWeighted.of(narrow, 8_000))
    assert low == pytest.approx(loudness_lufs(KWeighted.of(same, RATE_HZ)), abs=0.1)


@pytest.mark.parametrize("rate_hz", [44_100, 48_000])
def test_range_of_the_test_tones(rate_hz: int) -> None:
    errors = score_levels.range_errors_lu(rate_hz)
    assert len(errors) == 4
    assert np.abs(errors).max() < 0.05


@pytest.mark.parametrize("rate_hz", [44_100, 48_000, 96_000])
def test_true_peak_of_the_test_tones(rate_hz: int) -> None:
    errors = score_levels.peak_errors_db(rate_hz)
    assert len(errors) == 4
    assert min(errors) > -0.2
    assert max(errors) < 0.1


def test_sample_peak_misses_what_true_peak_finds() -> None:
    peaks = Peaks.of(peak_tone(1 / 4, 45.0, RATE_HZ))
    assert sample_peak_dbfs(peaks) == pytest.approx(-9.03, abs=0.01)
    assert true_peak_dbtp(peaks) == pytest.approx(-6.02, abs=0.05)


@pytest.mark.parametrize("rate_hz", [44_100, 48_000])
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_an_independent_meter(seed: int, rate_hz: int) -> None:
    clip = music(seed, rate_hz, seconds=12.0)
    clip *= np.linspace(0.05, 0.8, clip.shape[1], dtype=np.float32)
    weighted = KWeighted.of(clip, rate_hz)
    lufs, range_lu = score_levels.independent_loudness(clip, rate_hz, "DeMan")
    assert loudness_lufs(weighted) == pytest.approx(lufs, abs=0.02)
    assert loudness_range_lu(weighted) == pytest.approx(range_lu, abs=0.1)


def test_only_one_filter_class_of_pyloudnorm_is_that_of_the_standard() -> None:
    clip = tone(((-23, 5),), RATE_HZ)
    ours = loudness_lufs(KWeighted.of(clip, RATE_HZ))
    assert abs(ours - score_levels.independent_loudness(clip, RATE_HZ, "DeMan")[0]) < 1e-4
    assert abs(ours - score_levels.independent_loudness(clip, RATE_HZ, "K-weighting")[0]) > 0.02


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 44_100, 48_000])
def test_matrix_form_is_the_filter(rate_hz: int) -> None:
    # A length that fills neither the last cell nor the last product.
    clip = music(5, rate_hz, seconds=1.037)
    weighted = KWeighted.of(clip, rate_hz)
    n = round(weighted.cell_s * rate_hz)
    plain = scipy.signal.sosfilt(k_weighting_sos(rate_hz), clip.astype(np.float64), axis=1)
    cells = plain[:, : clip.shape[1] // n * n].reshape(2, -1, n)
    power = (cells**2).mean(axis=2).sum(axis=0)
    assert len(weighted.power) == clip.shape[1] // n
    np.testing.assert_allclose(weighted.power, power, rtol=1e-3)


def test_rates_agree() -> None:
    read = [
        loudness_lufs(KWeighted.of(tone(((-20, 3), (-26, 3)), rate_hz), rate_hz))
        for rate_hz in (44_100, 48_000, 96_000)
    ]
    assert np.ptp(read) < 0.01


def test_one_channel_is_3_lu_under_two() -> None:
    clip = tone(((-20, 2),), RATE_HZ)
    both = loudness_lufs(KWeighted.of(clip, RATE_HZ))
    assert both - loudness_lufs(KWeighted.of(clip[:1], RATE_HZ)) == pytest.approx(3.01, abs=0.01)


def test_momentary_follows_a_step() -> None:
    weighted = KWeighted.of(tone(((-40, 2), (-20, 2)), RATE_HZ), RATE_HZ)
    curve = momentary_lufs(weighted)
    assert len(curve) == 37
    np.testing.assert_allclose(curve[:17], -40.0, atol=0.05)
    np.testing.assert_allclose(curve[20:], -20.0, atol=0.05)
    assert momentary_max_lufs(weighted) == pytest.approx(curve.max())


def _full_true_peak(clip: FloatArray) -> float:
    """Every quarter between samples interpolated, without leaving any place out."""
    highest = 0.0
    offsets = np.arange(-9, 11)
    for channel in clip.astype(np.float64):
        for phase in range(4):
            distance = offsets - phase / 4
            weights = np.sinc(distance) * np.i0(5.0 * np.sqrt(1 - (distance / 10) ** 2))
            weights /= weights.sum()
            highest = max(highest, np.abs(np.convolve(channel, weights[::-1])).max())
    return float(20 * np.log10(highest))


@pytest.mark.parametrize("seed", range(8))
def test_leaving_places_out_changes_no_true_peak(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(200, 300_000))
    noise = rng.standard_normal((2, n)) * rng.choice([1.0, 0.05], n, p=[0.01, 0.99])
    for clip in (noise.astype(np.float32), music(seed, RATE_HZ, seconds=3.0)):
        assert true_peak_dbtp(Peaks.of(clip)) == pytest.approx(_full_true_peak(clip), abs=1e-5)


@pytest.mark.parametrize("n", [1, 2, 31, 32, 33, 63, 64, 65, 131_071, 131_072, 131_105])
def test_true_peak_of_any_length(n: int) -> None:
    clip = np.zeros((1, n), np.float32)
    clip[0, -1] = 0.5
    clip[0, 0] = 0.5
    assert true_peak_dbtp(Peaks.of(clip)) == pytest.approx(_full_true_peak(clip), abs=1e-5)


def test_true_peak_agrees_with_the_plain_library_call() -> None:
    clip = music(1, RATE_HZ, seconds=3.0)
    plain = 20 * np.log10(np.abs(scipy.signal.resample_poly(clip, 4, 1, axis=1)).max())
    assert true_peak_dbtp(Peaks.of(clip)) == pytest.approx(plain, abs=0.02)


@pytest.mark.parametrize("measure", [loudness_lufs, loudness_range_lu, momentary_max_lufs])
def test_silence_has_no_loudness(measure: Callable[[KWeighted], float]) -> None:
    with pytest.raises(AudioError, match="silent"):
        measure(KWeighted.of(np.zeros((2, 4 * RATE_HZ), np.float32), RATE_HZ))


def test_silence_has_no_peak() -> None:
    peaks = Peaks.of(np.zeros((2, 100), np.float32))
    for measure in (sample_peak_dbfs, true_peak_dbtp):
        with pytest.raises(AudioError, match="silent"):
            measure(peaks)


def test_too_short() -> None:
    clip = music(0, RATE_HZ, seconds=0.399)
    with pytest.raises(AudioError, match="too short"):
        loudness_lufs(KWeighted.of(clip, RATE_HZ))
    assert np.isfinite(loudness_lufs(KWeighted.of(music(0, RATE_HZ, seconds=0.4), RATE_HZ)))
    with pytest.raises(AudioError, match="too short"):
        loudness_range_lu(KWeighted.of(music(0, RATE_HZ, seconds=2.9), RATE_HZ))
    with pytest.raises(AudioError, match="too short"):
        loudness_lufs(KWeighted.of(np.zeros((1, 0), np.float32), RATE_HZ))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 1000, 47_990])
def test_not_finite(bad: float, place: int) -> None:
    clip = music(0, RATE_HZ, seconds=1.0)
    clip[1, place] = bad
    with pytest.raises(AudioError, match="finite"):
        KWeighted.of(clip, RATE_HZ)
    with pytest.raises(AudioError, match="finite"):
        Peaks.of(clip)


@pytest.mark.parametrize("channels", range(3, 9))
def test_more_channels_have_peaks_but_no_loudness(channels: int) -> None:
    clip = np.tile(0.5 * music(0, RATE_HZ, seconds=1.0)[:1], (channels, 1))
    with pytest.raises(AudioError, match="one or two channels"):
        KWeighted.of(clip, RATE_HZ)
    assert sample_peak_dbfs(Peaks.of(clip)) == pytest.approx(-6.02, abs=0.01)


def test_low_rates_are_refused() -> None:
    with pytest.raises(AudioError, match="8000 Hz"):
        KWeighted.of(np.ones((1, 4000), np.float32), 4_000)


def test_no_samples_have_no_peak() -> None:
    with pytest.raises(AudioError, match="shape"):
        Peaks.of(np.zeros((2, 0), np.float32))
