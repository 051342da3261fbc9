"""Clipping, dropouts, silence, endings and width, on clips where each of them was planted."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.analysis.checks import score_levels
from workbench.analysis.checks.level_material import hard_clipped, music
from workbench.analysis.levels import (
    Levels,
    correlation,
    dropouts,
    duration_error_s,
    duration_s,
    is_mono,
    width_db,
)
from workbench.analysis.loudness import KWeighted
from workbench.analysis.peaks import Peaks, clipping
from workbench.analysis.products import FloatArray
from workbench.analysis.silence import abrupt_end, silence
from workbench.errors import AudioError

RATE_HZ = 48_000


@pytest.fixture(scope="module")
def clips() -> list[FloatArray]:
    return score_levels.material_clips(50)


@pytest.mark.parametrize("depth_db", [1.0, 3.0, 6.0])
def test_clipped_runs_are_found(clips: list[FloatArray], depth_db: float) -> None:
    share = score_levels.clipped_runs_found(clips, depth_db)
    assert share.total > 100
    assert share.value >= 0.99


@pytest.mark.parametrize("depth_db", [1.0, 3.0, 6.0])
def test_clipped_sines_are_called_clipped(depth_db: float) -> None:
    for frequency_hz in (100.0, 440.0, 997.0, 3000.0):
        wave = np.sin(2 * np.pi * frequency_hz * np.arange(RATE_HZ) / RATE_HZ).astype(np.float32)
        clipped, runs = hard_clipped(wave[None], depth_db)
        found = clipping(Peaks.of(clipped))
        assert found.clipped_runs == runs
        assert found.clipped == (runs >= 3)


def test_clean_channels_are_not_called_clipped(clips: list[FloatArray]) -> None:
    share = score_levels.clean_called_clipped(clips)
    assert share.total == 100
    assert share.value <= 0.01


def test_share_and_overs() -> None:
    clip = np.zeros((2, 1000), np.float32)
    clip[0, 100:104] = 1.0
    clip[0, 200:203] = -1.0
    clip[0, 300:303] = 1.0
    clip[1, 500:502] = 1.25
    found = clipping(Peaks.of(clip))
    assert found.clipped
    assert found.clipped_runs == 3
    assert found.clipped_share == pytest.approx(10 / 2000)
    assert found.overs == 2


def test_a_rail_of_16_bits_counts_both_signs() -> None:
    clip = np.zeros((1, 100), np.float32)
    clip[0, 10:13] = 32_767 / 32_768
    clip[0, 20:23] = -1.0
    assert clipping(Peaks.of(clip)).clipped_runs == 2


def test_a_flat_top_under_full_scale_is_not_clipping() -> None:
    assert not clipping(Peaks.of(np.clip(music(0, RATE_HZ, seconds=1.0), -0.9, 0.9))).clipped


@pytest.mark.parametrize("hole_ms", [6, 20, 50])
def test_holes_are_found_and_nothing_else(clips: list[FloatArray], hole_ms: int) -> None:
    share, others = score_levels.holes_found(clips, hole_ms)
    assert share.total == 50
    assert share.value >= 0.96
    assert others == 0


def test_clean_clips_have_no_holes(clips: list[FloatArray]) -> None:
    assert not any(dropouts(Levels.of(clip, RATE_HZ)) for clip in clips)


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 96_000])
def test_holes_at_other_rates(rate_hz: int) -> None:
    clip = music(1, rate_hz, seconds=2.0)
    clip[:, rate_hz : rate_hz + rate_hz // 50] = 0.0
    ((start_s, end_s),) = dropouts(Levels.of(clip, rate_hz))
    assert (start_s, end_s) == pytest.approx((1.0, 1.02), abs=0.002)


def test_a_decay_before_a_hit_is_no_hole() -> None:
    time = np.arange(RATE_HZ) % 12_000 / RATE_HZ
    plucked = np.exp(-time / 0.02) * np.sin(2 * np.pi * 440 * np.arange(RATE_HZ) / RATE_HZ)
    assert dropouts(Levels.of(plucked.astype(np.float32)[None], RATE_HZ)) == ()


def test_silence_is_found_where_it_was_planted(clips: list[FloatArray]) -> None:
    errors = score_levels.silence_errors_s(clips)
    # Sound starts at once and rings out in the weighting filter.
    assert np.abs(errors[:, [0, 2]]).max() < 0.003
    assert np.abs(errors[:, [1, 3]]).max() < 0.03


def test_music_without_silence(clips: list[FloatArray]) -> None:
    for clip in clips[:10]:
        found = silence(KWeighted.of(clip, RATE_HZ))
        assert found.lead_s < 0.01
        assert (found.tail_s, found.gaps, found.music_end_s) == (0.0, (), 6.0)


def test_short_rests_are_no_gaps() -> None:
    clip = music(0, RATE_HZ, seconds=2.0)
    clip[:, RATE_HZ : RATE_HZ + RATE_HZ // 5] = 0.0
    assert silence(KWeighted.of(clip, RATE_HZ)).gaps == ()


def test_music_ends_before_trailing_silence() -> None:
    clip = np.concatenate([music(0, RATE_HZ, seconds=3.0), np.zeros((2, RATE_HZ), np.float32)], 1)
    found = silence(KWeighted.of(clip, RATE_HZ))
    assert found.music_end_s == pytest.approx(3.0, abs=0.03)
    assert found.tail_s + found.music_end_s == pytest.approx(4.0)


def test_endings(clips: list[FloatArray]) -> None:
    right = score_levels.endings_right(clips[:20])
    assert len(right) == 9
    for name, share in right.items():
        assert share.value >= 0.9, name


def test_an_ending_needs_two_seconds() -> None:
    with pytest.raises(AudioError, match="2 s of music"):
        abrupt_end(KWeighted.of(music(0, RATE_HZ, seconds=1.5), RATE_HZ))


def test_width_is_the_planted_one(clips: list[FloatArray]) -> None:
    assert np.abs(score_levels.width_errors_db(clips)).max() < 0.01


def test_mono_is_sixty_db() -> None:
    mid, side = 0.3 * music(0, RATE_HZ, seconds=2.0)
    side -= mid * (side @ mid) / (mid @ mid)
    side *= np.sqrt((mid @ mid) / (side @ side))
    verdicts = []
    for width in (-59.5, -60.5):
        part = side * np.float32(10 ** (width / 20))
        verdicts.append(is_mono(Levels.of(np.stack([mid + part, mid - part]), RATE_HZ)))
    assert verdicts == [False, True]


def test_mono_has_no_width_and_full_correlation() -> None:
    one = music(0, RATE_HZ, seconds=1.0)[:1]
    levels = Levels.of(np.concatenate([one, one]), RATE_HZ)
    assert correlation(levels) == pytest.approx(1.0, abs=1e-6)
    with pytest.raises(AudioError, match="mono"):
        width_db(levels)
    assert is_mono(Levels.of(one, RATE_HZ))
    with pytest.raises(AudioError, match="two channels"):
        width_db(Levels.of(one, RATE_HZ))


def test_opposite_channels() -> None:
    one = music(0, RATE_HZ, seconds=1.0)[:1]
    levels = Levels.of(np.concatenate([one, -one]), RATE_HZ)
    assert not is_mono(levels)
    assert correlation(levels) == pytest.approx(-1.0, abs=1e-6)
    # How little is left of the middle depends on the order in which sums are rounded.
    assert width_db(levels) > 60


def test_correlation_is_that_of_numpy() -> None:
    clip = music(3, RATE_HZ, seconds=2.0)
    clip -= clip.mean(axis=1, keepdims=True)
    expected = float(np.asarray(np.corrcoef(clip))[0, 1])
    assert correlation(Levels.of(clip, RATE_HZ)) == pytest.approx(expected, abs=1e-4)


def test_one_silent_channel_has_no_correlation() -> None:
    clip = music(0, RATE_HZ, seconds=1.0)
    clip[1] = 0.0
    levels = Levels.of(clip, RATE_HZ)
    assert width_db(levels) == pytest.approx(0.0, abs=1e-4)
    with pytest.raises(AudioError, match="silent"):
        correlation(levels)


@pytest.mark.parametrize("channels", range(3, 9))
def test_more_channels_have_holes_but_no_width(channels: int) -> None:
    clip = np.tile(music(0, RATE_HZ, seconds=1.0)[:1], (channels, 1))
    clip[channels - 1, 20_000:20_960] = 0.0
    levels = Levels.of(clip, RATE_HZ)
    assert len(dropouts(levels)) == 1
    for measure in (is_mono, width_db, correlation):
        with pytest.raises(AudioError, match="two channels"):
            measure(levels)


def test_silence_has_no_level() -> None:
    zeros = np.zeros((2, 4 * RATE_HZ), np.float32)
    levels = Levels.of(zeros, RATE_HZ)
    assert dropouts(levels) == ()
    for measure in (is_mono, width_db, correlation):
        with pytest.raises(AudioError, match="silent"):
            measure(levels)
    for of_weighted in (silence, abrupt_end):
        with pytest.raises(AudioError, match="silent"):
            of_weighted(KWeighted.of(zeros, RATE_HZ))
    with pytest.raises(AudioError, match="silent"):
        clipping(Peaks.of(zeros))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("place", [0, 47_999])
def test_not_finite(bad: float, place: int) -> None:
    clip = music(0, RATE_HZ, seconds=1.0)
    clip[0, place] = bad
    with pytest.raises(AudioError, match="finite"):
        Levels.of(clip, RATE_HZ)


def test_too_short() -> None:
    with pytest.raises(AudioError, match="1 ms"):
        Levels.of(np.ones((1, 10), np.float32), RATE_HZ)


def test_duration_is_exact() -> None:
    assert duration_s(np.zeros((2, 1_323_001), np.float32), 44_100) == 1_323_001 / 44_100
    assert duration_error_s(30.5, 30.0) == 0.5
    assert duration_error_s(29.0, 30.0) == -1.0
    for asked_s in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(AudioError, match="positive"):
            duration_error_s(30.0, asked_s)
