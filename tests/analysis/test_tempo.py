"""The tempo ruler on music whose beats we place, and on sound that has none."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.analysis.rhythm import (
    RATE_HZ,
    drum_loop,
    features_of,
    hat,
    kick,
    ramped_beats_s,
    snare,
    steady_beats_s,
    strokes,
)
from workbench.analysis.beat_scores import score_beats
from workbench.analysis.beats import track_beats
from workbench.analysis.features import Features, FloatArray
from workbench.analysis.pulse import PulseEvidence
from workbench.analysis.tempo import (
    RatioClass,
    Tempo,
    estimate_tempo,
    octave_margin,
    tempo_error_pct,
    tempo_folded_error_pct,
    tempo_ratio_class,
    verify_tempo,
)
from workbench.errors import RequestError

EXPECTED = json.loads((Path(__file__).parents[1] / "data" / "tempo_loops.json").read_text())


def tempo_of(samples: FloatArray, rate_hz: int = RATE_HZ) -> Tempo:
    return estimate_tempo(Features(samples, rate_hz))


def bpm_of(samples: FloatArray, rate_hz: int = RATE_HZ) -> float:
    tempo_bpm = tempo_of(samples, rate_hz).tempo_bpm
    assert tempo_bpm is not None
    return tempo_bpm


def white_noise(*, duration_s: float, seed: int) -> FloatArray:
    count = round(duration_s * RATE_HZ)
    return 0.1 * np.random.default_rng(seed).standard_normal((1, count), dtype=np.float32)


@pytest.mark.parametrize("truth_bpm", [30, 36, 45, 60, 75, 90, 107.3, 120, 133, 150, 165])
def test_a_metronome_is_read_in_its_own_octave(truth_bpm: float) -> None:
    clicks = strokes(steady_beats_s(truth_bpm, duration_s=24), hat(), duration_s=24)
    assert bpm_of(clicks) == pytest.approx(truth_bpm, rel=1e-3)


@pytest.mark.parametrize("truth_bpm", [190, 220, 260, 300])
def test_a_fast_metronome_is_read_at_itself_or_its_half(truth_bpm: float) -> None:
    clicks = strokes(steady_beats_s(truth_bpm), hat())
    assert abs(tempo_folded_error_pct(bpm_of(clicks), truth_bpm)) < 0.1
    assert tempo_ratio_class(bpm_of(clicks), truth_bpm) in ("same", "half")


@pytest.mark.parametrize("truth_bpm", [95, 120, 140])
@pytest.mark.parametrize("meter", [3, 4])
@pytest.mark.parametrize("swing", [0.5, 0.58, 0.667])
def test_drums_swing_and_waltz(truth_bpm: float, meter: int, swing: float) -> None:
    loop = drum_loop(truth_bpm, meter=meter, swing=swing)
    assert bpm_of(loop) == pytest.approx(truth_bpm, rel=1e-3)


@pytest.mark.parametrize("truth_bpm", [62, 71, 178, 188])
def test_slow_and_fast_drums_are_right_up_to_the_octave_and_show_it(truth_bpm: float) -> None:
    tempo = tempo_of(drum_loop(truth_bpm))
    assert tempo.tempo_bpm is not None
    assert abs(tempo_folded_error_pct(tempo.tempo_bpm, truth_bpm)) < 0.1
    heard = [tempo.tempo_bpm] + [other.tempo_bpm for other in tempo.alternatives_bpm]
    assert min(abs(bpm / truth_bpm - 1) for bpm in heard) < 1e-3
    assert tempo.confidence <= tempo.confidence_folded


def test_loops_read_as_recorded() -> None:
    for case in EXPECTED["loops"]:
        tempo = tempo_of(drum_loop(case["truth_bpm"], meter=case["meter"], swing=case["swing"]))
        assert tempo.tempo_bpm == pytest.approx(case["tempo_bpm"], rel=1e-4)
        assert tempo.confidence == pytest.approx(case["confidence"], abs=0.02)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros((2, 10 * RATE_HZ), dtype=np.float32), "silent"),
        (drum_loop(120, duration_s=5.5), "too short"),
        (np.sin(np.arange(10 * RATE_HZ) / 8)[None].astype(np.float32), "no onsets"),
        (np.full((1, 10 * RATE_HZ), 0.5, dtype=np.float32), "no onsets"),
    ],
    ids=["silence", "short", "tone", "constant"],
)
def test_no_tempo_has_a_reason(samples: FloatArray, reason: str) -> None:
    tempo = tempo_of(samples)
    assert tempo.tempo_bpm is None
    assert tempo.confidence == tempo.confidence_folded == 0
    assert reason in tempo.reason


def test_noise_reads_undefined_or_unsure() -> None:
    found = [tempo_of(white_noise(duration_s=20, seed=seed)) for seed in range(8)]
    assert np.mean([tempo.confidence for tempo in found]) < 0.2
    assert sum(tempo.reason == "no pulse" for tempo in found) >= 4


def test_irregular_strokes_read_less_sure_than_regular_ones() -> None:
    generator = np.random.default_rng(4)
    irregular = strokes(np.sort(generator.uniform(0, 15.5, 32)), snare())
    assert tempo_of(irregular).confidence < 0.5 < tempo_of(drum_loop(120)).confidence


@pytest.mark.parametrize(("start_bpm", "end_bpm"), [(100, 110), (120, 110), (90, 93), (118, 134)])
def test_drift_has_the_sign_and_size_of_the_ramp(start_bpm: float, end_bpm: float) -> None:
    beats_s = ramped_beats_s(start_bpm, end_bpm, duration_s=40)
    samples = strokes(beats_s, kick(), duration_s=40)
    samples += strokes(beats_s[1::2], snare(), duration_s=40)
    tempo = tempo_of(samples)
    mean_bpm = (start_bpm + end_bpm) / 2
    truth_pct_per_min = 100 * (end_bpm - start_bpm) / mean_bpm * 60 / 40
    assert tempo.drift_pct_per_min == pytest.approx(truth_pct_per_min, rel=0.05)
    assert tempo.tempo_bpm is not None
    assert abs(tempo_folded_error_pct(tempo.tempo_bpm, mean_bpm)) < 1
    assert tempo.stability_pct is not None
    # A linear ramp of width w has a standard deviation of w / sqrt(12); 8 s windows trim it.
    spread_pct = 100 * abs(end_bpm - start_bpm) / mean_bpm / np.sqrt(12)
    assert 0.7 * spread_pct < tempo.stability_pct < 1.1 * spread_pct


def test_a_machine_is_steady_and_a_short_clip_says_nothing_of_it() -> None:
    steady = tempo_of(drum_loop(128, duration_s=30))
    assert steady.stability_pct is not None
    assert steady.stability_pct < 0.1
    assert steady.drift_pct_per_min == pytest.approx(0, abs=0.2)
    short = tempo_of(drum_loop(128, duration_s=9))
    assert short.stability_pct is None
    assert short.drift_pct_per_min is None


def test_a_break_in_the_middle_does_not_disturb() -> None:
    samples = drum_loop(110, duration_s=40).copy()
    samples[:, 15 * RATE_HZ : 26 * RATE_HZ] = 0
    tempo = tempo_of(samples)
    assert tempo.tempo_bpm == pytest.approx(110, rel=1e-3)
    assert tempo.stability_pct is not None
    assert tempo.stability_pct < 0.5


@given(
    truth_bpm=st.floats(80, 160),
    factor=st.sampled_from([0.90, 0.94, 0.97, 1.03, 1.06, 1.10]),
    swing=st.sampled_from([0.5, 0.62]),
)
@settings(max_examples=15, deadline=None)
def test_the_estimate_follows_resampling(truth_bpm: float, factor: float, swing: float) -> None:
    loop = drum_loop(truth_bpm, swing=swing)
    faster = soxr.resample(loop.T, RATE_HZ, RATE_HZ / factor).T
    change = bpm_of(np.ascontiguousarray(faster)) / bpm_of(loop)
    assert abs(tempo_folded_error_pct(change, factor)) < 0.5


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000, 96_000, 192_000])
def test_the_rate_does_not_matter(rate_hz: int) -> None:
    loop = soxr.resample(drum_loop(123).T, RATE_HZ, rate_hz).T
    assert bpm_of(np.ascontiguousarray(loop), rate_hz) == pytest.approx(123, rel=1e-3)


def test_neither_channels_nor_gain_matter() -> None:
    loop = drum_loop(99)
    stereo = np.concatenate([loop, 0.5 * loop])
    alone = bpm_of(loop)
    assert bpm_of(stereo) == pytest.approx(alone, rel=1e-6)
    assert bpm_of(0.01 * loop) == pytest.approx(alone, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "subtype"),
    [
        ("clip.wav", "PCM_16"),
        ("clip.flac", "PCM_24"),
        ("clip.mp3", "MPEG_LAYER_III"),
        ("clip.ogg", "VORBIS"),
        ("clip.ogg", "OPUS"),
    ],
)
def test_the_format_does_not_matter(tmp_path: Path, name: str, subtype: str) -> None:
    loop = soxr.resample(drum_loop(117).T, RATE_HZ, 48_000)
    soundfile.write(tmp_path / name, 0.7 * loop, 48_000, subtype=subtype)
    frames, rate_hz = soundfile.read(tmp_path / name, dtype="float32", always_2d=True)
    assert bpm_of(np.ascontiguousarray(frames.T), rate_hz) == pytest.approx(117, rel=1e-3)


def test_alternatives_are_named_and_within_range() -> None:
    tempo = tempo_of(drum_loop(120))
    assert tempo.tempo_bpm is not None
    found = {other.tempo_ratio_class: other for other in tempo.alternatives_bpm}
    assert set(found) == {"half", "double", "third"}
    for name, ratio in (("half", 0.5), ("double", 2.0), ("third", 1 / 3)):
        other = found[name]  # type: ignore[index]
        assert other.tempo_bpm == pytest.approx(ratio * tempo.tempo_bpm)
    assert found["third"].strength < 0.3 < min(found["half"].strength, found["double"].strength)


def test_verification_reads_match_mismatch_and_both_octaves() -> None:
    evidence = PulseEvidence(features_of(drum_loop(124)).onset_bands)
    for asked_bpm in (124.0, 62.0, 248.0, 125.5):
        verdict, score = verify_tempo(evidence, asked_bpm)
        assert verdict == "match"
        assert score > 0
    for asked_bpm in (100.0, 118.0, 128.0, 93.0, 165.3):
        verdict, score = verify_tempo(evidence, asked_bpm)
        assert verdict == "mismatch"
        assert score < 0
    assert verify_tempo(evidence, 128.0, tol_pct=4.0)[0] == "match"
    assert octave_margin(evidence, 124.0) > 0 > octave_margin(evidence, 248.0)


def test_two_pieces_at_once_leave_verification_undecided() -> None:
    evidence = PulseEvidence(features_of(drum_loop(100) + drum_loop(131)).onset_bands)
    one, other = verify_tempo(evidence, 100.0)[1], verify_tempo(evidence, 131.0)[1]
    assert max(abs(one), abs(other)) < 0.6
    assert abs(one) < verify_tempo(PulseEvidence(features_of(drum_loop(100)).onset_bands), 100.0)[1]


@pytest.mark.parametrize(
    ("tempo_bpm", "requested_bpm", "error_pct", "folded_pct", "ratio"),
    [
        (120.0, 120.0, 0.0, 0.0, "same"),
        (240.0, 120.0, 100.0, 0.0, "double"),
        (61.2, 120.0, -49.0, 2.0, "half"),
        (360.0, 120.0, 200.0, -25.0, "triple"),
        (40.0, 120.0, -66.667, 33.333, "third"),
        (150.0, 120.0, 25.0, 25.0, "other"),
        (480.0, 120.0, 300.0, 0.0, "other"),
    ],
)
def test_errors_and_ratio_classes(
    tempo_bpm: float, requested_bpm: float, error_pct: float, folded_pct: float, ratio: RatioClass
) -> None:
    assert tempo_error_pct(tempo_bpm, requested_bpm) == pytest.approx(error_pct, abs=1e-3)
    assert tempo_folded_error_pct(tempo_bpm, requested_bpm) == pytest.approx(folded_pct, abs=1e-3)
    assert tempo_ratio_class(tempo_bpm, requested_bpm) == ratio


@pytest.mark.parametrize("asked_bpm", [0.0, -120.0, float("nan")])
def test_impossible_requests_are_refused(asked_bpm: float) -> None:
    evidence = PulseEvidence(features_of(drum_loop(124)).onset_bands)
    for refuses in (
        lambda: tempo_error_pct(120.0, asked_bpm),
        lambda: tempo_folded_error_pct(120.0, asked_bpm),
        lambda: tempo_ratio_class(120.0, asked_bpm),
        lambda: verify_tempo(evidence, asked_bpm),
        lambda: octave_margin(evidence, asked_bpm),
    ):
        with pytest.raises(RequestError, match="BPM"):
            refuses()


@pytest.mark.parametrize("truth_bpm", [84.0, 128.0, 150.0])
def test_beats_fall_where_they_are(truth_bpm: float) -> None:
    features = features_of(drum_loop(truth_bpm, duration_s=24))
    beats_s = track_beats(features, estimate_tempo(features))
    scores = score_beats(steady_beats_s(truth_bpm, duration_s=24), beats_s)
    assert scores.f_measure > 0.97
    assert scores.cmlt > 0.95


def test_beats_follow_a_ramp() -> None:
    truth_s = ramped_beats_s(116, 124, duration_s=40)
    samples = strokes(truth_s, kick(), duration_s=40) + strokes(truth_s, hat(), duration_s=40)
    features = features_of(samples)
    assert score_beats(truth_s, track_beats(features, estimate_tempo(features))).f_measure > 0.97


def test_beats_of_nothing_are_none_and_shifted_beats_score_badly() -> None:
    silent = features_of(np.zeros((1, 10 * RATE_HZ), dtype=np.float32))
    assert len(track_beats(silent, estimate_tempo(silent))) == 0
    truth_s = steady_beats_s(120)
    off_beat = score_beats(truth_s, truth_s + 0.25)
    assert off_beat.f_measure == off_beat.cmlt == 0
    assert off_beat.amlt > 0.9
