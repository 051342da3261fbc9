"""Does the seam ruler fire on every kind of edit, and stay quiet where nothing can be heard?"""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
import scipy.signal

from workbench.analysis import fit_seams
from workbench.analysis.ladder import KINDS, QUIET_KINDS, Ladder, join
from workbench.analysis.seam_classifier import Classifier, hinges, stored_classifier
from workbench.analysis.seam_likeness import places_differ
from workbench.analysis.seam_material import roughened, sketch_material
from workbench.analysis.seam_names import FAMILIES, STATISTICS
from workbench.analysis.seam_stats import SeamReader
from workbench.analysis.seam_waves import broken_tones, heard_twice, stuttered
from workbench.analysis.seams import (
    control_times_s,
    loop_seam,
    measure_seam,
    robust_z,
    seam_excess,
)
from workbench.errors import AudioError

RATE_HZ = 48_000
BEAT_S = 0.5
EDGE_S = 9.3
# Draws an off-beat splice that is off the half beat, too.
SEED = 2
LOUD_KINDS = [kind for kind in KINDS if kind not in QUIET_KINDS]
# What one clip cannot decide: half of such edits pass for music. `fit_seams` counts them.
FAINT_KINDS = {"gain_1_db", "gain_3_db", "reverb", "shelf", "splice_on_beat", "repeat_3_ms"}

Samples = npt.NDArray[np.float32]


def stroke(rng: np.random.Generator, length_s: float, decay_s: float) -> Samples:
    """A decaying burst of noise."""
    time_s = np.arange(round(length_s * RATE_HZ)) / RATE_HZ
    burst = rng.normal(0, 0.2, len(time_s)) * np.exp(-time_s / decay_s)
    return burst.astype(np.float32)


@cache
def music(duration_s: float = 20.0) -> Samples:
    """Drums every half beat and a changing chord every beat, over a little hiss; stereo."""
    rng = np.random.default_rng(3)
    n = round(duration_s * RATE_HZ)
    mono = rng.normal(0, 0.003, n).astype(np.float32)
    for number in range(round(duration_s / BEAT_S * 2)):
        start = round(number * BEAT_S / 2 * RATE_HZ)
        hit = stroke(rng, 0.2, 0.03 if number % 2 else 0.06)
        mono[start : start + len(hit)] += hit[: n - start]
    time_s = np.arange(round(BEAT_S * RATE_HZ)) / RATE_HZ
    for number in range(round(duration_s / BEAT_S)):
        start = round(number * BEAT_S * RATE_HZ)
        pitches_hz = 220 * 2 ** (rng.choice([0, 3, 5, 7, 10], 3, replace=False) / 12)
        chord = sum(np.sin(2 * np.pi * hz * time_s) for hz in pitches_hz) * 0.06
        chord *= np.minimum(1, np.minimum(time_s, BEAT_S - time_s) / 0.01) * np.exp(-time_s / 0.4)
        mono[start : start + len(chord)] += chord.astype(np.float32)[: n - start]
    side = rng.normal(0, 0.002, n).astype(np.float32)
    return np.stack([mono + side, mono - side])


@cache
def ladder() -> Ladder:
    return Ladder(music(), RATE_HZ, beat_s=BEAT_S)


@cache
def score(kind: str) -> float:
    edited = ladder().edit(kind, EDGE_S, np.random.default_rng(SEED))
    return measure_seam(edited, RATE_HZ, EDGE_S).score


@pytest.mark.parametrize("kind", QUIET_KINDS)
def test_it_stays_quiet_where_nothing_can_be_heard(kind: str) -> None:
    edited = ladder().edit(kind, EDGE_S, np.random.default_rng(SEED))
    seam = measure_seam(edited, RATE_HZ, EDGE_S)
    assert seam.verdict == "none found"
    assert seam.false_alarm_rate > 0.05


@pytest.mark.parametrize("kind", [kind for kind in LOUD_KINDS if kind not in FAINT_KINDS])
def test_it_fires_on_what_anyone_would_hear(kind: str) -> None:
    edited = ladder().edit(kind, EDGE_S, np.random.default_rng(SEED))
    seam = measure_seam(edited, RATE_HZ, EDGE_S)
    assert seam.verdict in ("clear", "possible")
    assert seam.false_alarm_rate <= 0.05
    assert seam.reasons


@pytest.mark.parametrize("kind", sorted(FAINT_KINDS))
def test_faint_edits_score_above_no_edit(kind: str) -> None:
    assert score(kind) > score("untouched")


def test_scores_rise_with_gain_and_with_delay() -> None:
    gains = [score("untouched"), *(score(f"gain_{gain_db}_db") for gain_db in (1, 3, 6))]
    assert gains == sorted(gains)
    assert score("untouched") < min(score(f"delay_{ms}_ms") for ms in (20, 50, 100))


def test_the_reasons_name_the_edit() -> None:
    for kind, words in (
        ("dropout_20_ms", "a short dropout"),
        ("delay_50_ms", "the beat slips"),
        ("delay_50_ms", "a moment is heard twice"),
        ("splice_hard", "held tones break off"),
        ("low_pass", "a step of the treble against the rest"),
        ("gain_6_db", "a step in level"),
        ("gain_6_db", "like sounds are louder or softer"),
        ("shelf", "like sounds change their tone colour"),
        ("reverb", "like sounds change their stereo width"),
        ("repeat_3_ms", "a moment is heard twice"),
    ):
        edited = ladder().edit(kind, EDGE_S, np.random.default_rng(SEED))
        assert words in measure_seam(edited, RATE_HZ, EDGE_S).reasons, kind


def test_the_slip_is_measured_in_milliseconds() -> None:
    edited = ladder().edit("delay_50_ms", EDGE_S, np.random.default_rng(SEED))
    seam = measure_seam(edited, RATE_HZ, EDGE_S)
    assert seam.statistics["slip_ms"] == pytest.approx(50, abs=6)
    assert seam.severity_jnd["beat_slip"] == pytest.approx(4, abs=0.5)


def test_the_other_edge_of_an_inpaint_is_left_out() -> None:
    half = np.float32(0.5)
    edited = music().copy()
    edited[:, round(7 * RATE_HZ) : round(13 * RATE_HZ)] *= half
    near_s, far_s = 7.0, 13.0
    for edge_s, other_s in ((near_s, far_s), (far_s, near_s)):
        seam = measure_seam(edited, RATE_HZ, edge_s, avoid_s=(other_s,))
        assert seam.verdict == "clear"
        assert seam.severity_jnd["level"] == pytest.approx(6, abs=1.5)


def test_excess_does_not_blame_what_was_there() -> None:
    source = join(music(), music() * np.float32(2), round(EDGE_S * RATE_HZ), 0, 0)
    source = source[:, : music().shape[1]]
    coded = Ladder(source, RATE_HZ, beat_s=BEAT_S).edit(
        "round_trip_mp3", EDGE_S, np.random.default_rng(0)
    )
    excess = seam_excess(coded, source, RATE_HZ, EDGE_S)
    assert excess.source.verdict == "clear"
    assert abs(excess.score) < 0.1
    assert excess.statistics["level_4s"] == pytest.approx(0, abs=0.2)


def test_a_perfect_loop_passes_and_a_bad_one_does_not() -> None:
    loop = music()[:, : round(8 * RATE_HZ)]
    cut_short = loop[:, : round(7.83 * RATE_HZ)]
    assert loop_seam(loop, RATE_HZ).verdict == "none found"
    assert loop_seam(cut_short, RATE_HZ).verdict == "clear"
    assert "the beat slips" in loop_seam(cut_short, RATE_HZ).reasons


@pytest.mark.parametrize("edge_s", [-1.0, 3.9, 16.1, 25.0])
def test_four_seconds_on_both_sides_or_an_error(edge_s: float) -> None:
    with pytest.raises(AudioError, match="needs 4 s on both sides"):
        measure_seam(music(), RATE_HZ, edge_s)


def test_silence_and_crowded_edges_are_errors() -> None:
    with pytest.raises(AudioError, match="silent"):
        measure_seam(np.zeros((2, 10 * RATE_HZ), np.float32), RATE_HZ, 5.0)
    with pytest.raises(AudioError, match="no room"):
        measure_seam(music(), RATE_HZ, 10.0, avoid_s=tuple(np.arange(0.0, 20.0, 2.0)))


def test_a_long_clip_is_read_around_the_edge_only() -> None:
    quiet = np.random.default_rng(0).normal(0, 0.1, (1, 100 * 8_000)).astype(np.float32)
    alone = measure_seam(quiet[:, 20 * 8_000 : 80 * 8_000], 8_000, 30.0)
    within = measure_seam(quiet, 8_000, 50.0)
    assert within.score == pytest.approx(alone.score)


def test_controls_lie_on_the_beat_of_the_edge() -> None:
    times_s = control_times_s(40.0, (11.3, 20.0), beat_s=0.4)
    beats = (times_s - 11.3) / 0.4
    assert len(times_s) == 40
    assert np.abs(beats - beats.round()).max() < 1e-6
    assert min(abs(time_s - edge_s) for time_s in times_s for edge_s in (11.3, 20.0)) >= 1.2


def test_controls_keep_away_from_edges() -> None:
    times_s = control_times_s(20.0, (6.0, 13.0))
    assert len(times_s) == 40
    assert min(abs(time_s - edge_s) for time_s in times_s for edge_s in (6.0, 13.0)) >= 1.2


def test_the_stored_numbers_are_read_as_documented() -> None:
    data = json.loads(fit_seams.STORED.read_text(encoding="utf-8"))
    assert list(data["weights"]) == [statistic.name for statistic in STATISTICS]
    assert list(data["intercepts"]) == list(FAMILIES)
    z = np.random.default_rng(0).normal(0, 3, len(STATISTICS))
    evidence = dict(data["intercepts"])
    for value, statistic in zip(z, STATISTICS, strict=True):
        squashed = np.sign(value) * np.log1p(abs(value))
        for knot, weight in zip(data["knots"], data["weights"][statistic.name], strict=True):
            evidence[statistic.family] += weight * max(0, squashed - np.log1p(knot))
    heard = -np.log(np.prod([1 / (1 + np.exp(of_family)) for of_family in evidence.values()]))
    assert stored_classifier().score(z) == pytest.approx(heard / (2 + heard))


def test_one_family_is_enough_and_all_families_matter() -> None:
    classifier = stored_classifier()
    nothing = np.zeros(len(STATISTICS))
    for family in FAMILIES:
        heard = np.array([statistic.family == family for statistic in STATISTICS])
        assert classifier.verdict(float(classifier.score(50.0 * heard))) == "clear", family
    assert classifier.verdict(float(classifier.score(nothing))) == "none found"


def test_verdicts_follow_the_untouched_scores() -> None:
    classifier = Classifier(
        knots=np.zeros(1),
        weights=np.zeros((len(STATISTICS), 1)),
        intercepts=np.zeros(len(FAMILIES)),
        untouched_scores=np.linspace(0, 1, 1001),
    )
    verdicts = [classifier.verdict(score) for score in (0.5, 0.94, 0.96, 0.98, 0.995)]
    assert verdicts == ["none found", "none found", "possible", "possible", "clear"]
    assert classifier.false_alarm_rate(0.9) == pytest.approx(0.1)
    assert classifier.false_alarm_rate(2.0) == pytest.approx(0.001)


def test_a_larger_change_never_scores_lower() -> None:
    classifier = stored_classifier()
    assert (classifier.weights >= 0).all()
    z = np.random.default_rng(0).normal(0, 2, (50, len(STATISTICS)))
    assert (classifier.score(z + 1) >= classifier.score(z)).all()


def test_rebuilding_gives_the_same_numbers() -> None:
    kinds = ("untouched", "gain_6_db", "dropout_20_ms")
    recipe = replace(
        fit_seams.Recipe(),
        genres=("techno", "folk"),
        seeds=(1,),
        kinds=kinds,
        duration_s=16.5,
        untouched_places=1,
        folds=2,
    )
    built = []
    for _ in range(2):
        material = sketch_material(recipe.genres, recipe.seeds, recipe.duration_s)
        rows = fit_seams.all_readings(material, recipe)
        scores = fit_seams.cross_validated(rows, recipe)
        built.append(fit_seams.classifier_json(rows, scores, recipe))
    assert built[0] == built[1]
    assert built[0]["readings"] == 2 * (len(kinds) + 1)
    lines = list(fit_seams.score_lines(rows, scores))
    assert [line.split()[0] for line in lines] == list(kinds)


def test_statistics_at_a_step_and_away_from_it() -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, (2, 16 * RATE_HZ)).astype(np.float32)
    noise[1, 8 * RATE_HZ :] = noise[0, 8 * RATE_HZ :]
    values = SeamReader(noise, RATE_HZ).read(np.array([4.0, 8.0]), breaks_s=(8.0,))
    width = [statistic.name for statistic in STATISTICS].index("matched_widths")
    assert values[0, width] < 0.5
    assert values[1, width] > 20


def tones(duration_s: float = 1.0) -> Samples:
    """Three held tones over a little hiss, mono."""
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    held = sum(np.sin(2 * np.pi * hz * time_s) for hz in (110.0, 330.5, 1234.0)) * 0.1
    hiss = np.random.default_rng(0).normal(0, 0.003, len(time_s))
    return (held + hiss).astype(np.float32)


def test_a_single_wrong_sample_is_a_click() -> None:
    clicked = tones(12.0)[None].copy()
    clicked[0, 6 * RATE_HZ] += np.float32(0.1)
    seam = measure_seam(clicked, RATE_HZ, 6.0)
    assert seam.verdict == "clear"
    assert "a click in the waveform" in seam.reasons


def test_tones_that_go_on_and_tones_that_break_off() -> None:
    held = tones()
    spliced = join(held[None], held[None, ::-1], 24_000, 10_000, 480)[0]
    at = np.array([0.5])
    assert broken_tones(held, RATE_HZ, at)[0] < 0.2
    assert broken_tones(spliced, RATE_HZ, at)[0] > 0.6
    # A new stroke over tones that go on does not break them.
    struck = held.copy()
    struck[24_300:26_700] += stroke(np.random.default_rng(1), 0.05, 0.01)
    assert broken_tones(struck, RATE_HZ, at)[0] < 0.5


@pytest.mark.parametrize("late_s", [0.02, 0.05, 0.1])
def test_a_moment_heard_twice(late_s: float) -> None:
    hiss = np.random.default_rng(0).normal(0, 0.1, (1, RATE_HZ)).astype(np.float32)
    late = join(hiss, hiss, 24_000, 24_000 - round(late_s * RATE_HZ), 480)
    times_s = np.array([0.3, 0.5, 0.7])
    twice = heard_twice(late[0], RATE_HZ, times_s)
    assert twice[1] > 2
    assert max(twice[0], twice[2]) < 0.5


@pytest.mark.parametrize("again_s", [0.003, 0.006])
def test_a_hard_cut_back_by_milliseconds(again_s: float) -> None:
    hiss = np.random.default_rng(0).normal(0, 0.1, (1, RATE_HZ)).astype(np.float32)
    start = 24_000 - round(again_s * RATE_HZ)
    times_s = np.array([0.3, 0.5, 0.7])
    twice = stuttered(join(hiss, hiss, 24_000, start, 0)[0], RATE_HZ, times_s)
    assert twice[1] > 2
    assert max(twice[0], twice[2]) < 0.5
    assert stuttered(hiss[0], RATE_HZ, times_s).max() < 0.5


def bars(count: int, frames: int = 100) -> Samples:
    """The same random moments again and again, (count * frames, 40)."""
    bar = np.random.default_rng(0).normal(0, 6, (frames, 40)).astype(np.float32)
    return np.tile(bar, (count, 1))


def test_a_bar_cut_short_goes_on_unlike_its_like_places() -> None:
    cut = np.delete(bars(9), np.arange(400, 450), axis=0)
    sides, walls = ((360, 399), (401, 440)), np.array([400.0])
    assert places_differ(bars(9), *sides, walls) == pytest.approx(0, abs=1e-3)
    assert places_differ(cut, *sides, walls) > 1
    # Behind walls there are no bars to compare with.
    assert places_differ(cut, *sides, np.arange(0.0, 850.0, 50)) == 0


def test_a_step_of_width_in_the_bass_alone() -> None:
    rng = np.random.default_rng(0)
    low_hz = scipy.signal.butter(4, 800, fs=RATE_HZ, output="sos")
    middle, side = scipy.signal.sosfilt(low_hz, rng.normal(0, 0.1, (2, 20 * RATE_HZ)))
    treble = rng.normal(0, 0.03, (2, 20 * RATE_HZ))
    after = np.arange(20 * RATE_HZ) >= 10 * RATE_HZ
    names = [statistic.name for statistic in STATISTICS]
    steps_db = []
    for wide, gain in ((0.0, 1.0), (0.0, 2.0), (1.0, 1.0)):
        bass = np.stack([middle + wide * after * side, middle - wide * after * side])
        heard = ((bass + treble) * np.where(after, gain, 1)).astype(np.float32)
        values = SeamReader(heard, RATE_HZ).read(np.array([5.0, 10.0]), breaks_s=(10.0,))
        steps_db.append(values[:, names.index("matched_widths")])
    same, louder, wider = steps_db
    assert max(*same, *louder, wider[0]) < 0.5
    assert wider[1] > 2


def test_rough_pieces_stay_pieces() -> None:
    piece, band = music(), music()[:, ::-1]
    rough = roughened(piece, band, np.random.default_rng(0))
    again = roughened(piece, band, np.random.default_rng(0))
    assert rough.shape == piece.shape
    assert np.array_equal(rough, again)
    assert np.abs(rough).max() == pytest.approx(0.9)
    # The piece is still the loudest of what is heard.
    assert np.corrcoef(rough[0], piece[0])[0, 1] > 0.4


def test_statistics_from_zero_need_no_median() -> None:
    controls = np.ones((40, len(STATISTICS)))
    z = robust_z(np.ones(len(STATISTICS)), controls)
    from_zero = np.array([statistic.from_zero for statistic in STATISTICS])
    assert np.allclose(z[~from_zero], 0)
    assert (z[from_zero] > 0).all()


def test_robust_z_ignores_what_was_left_out() -> None:
    controls = np.zeros((40, len(STATISTICS)))
    controls[:5] = np.nan
    assert np.isfinite(robust_z(np.ones(len(STATISTICS)), controls)).all()
    assert hinges(np.array([-9.0]), np.array([0.0])).tolist() == [[0.0]]
