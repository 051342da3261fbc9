"""The material with known tempo, and what the scoring and fitting commands make of it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.analysis.rhythm import RATE_HZ, drum_loop
from workbench.analysis.checks.fit_tempo import answers, fit_curve, tuning_clips
from workbench.analysis.checks.material import (
    FIRST_SCORING_SEED,
    TruthClip,
    damaged,
    folder_clips,
    pulseless_clip,
    sketch_clip,
)
from workbench.analysis.checks.score_tempo import (
    FACTORS,
    accuracy_table,
    confidence_table,
    following_table,
    near_misses_bpm,
    score_clip,
    verification_table,
)
from workbench.analysis.confidence import WEIGHTS_FILE, chance, octave_signs, weights


def loop_clip(tempo_bpm: float) -> TruthClip:
    return TruthClip("loop", "loops", drum_loop(tempo_bpm), RATE_HZ, tempo_bpm)


def test_a_seed_is_a_clip() -> None:
    one, again = sketch_clip(5, duration_s=6.0), sketch_clip(5, duration_s=6.0)
    np.testing.assert_array_equal(one.samples, again.samples)
    assert one.tempo_bpm == again.tempo_bpm
    assert sketch_clip(6, duration_s=6.0).tempo_bpm != one.tempo_bpm
    np.testing.assert_array_equal(pulseless_clip(4).samples, pulseless_clip(4).samples)


def test_damage_keeps_tempo_and_length_enough() -> None:
    clip, other = loop_clip(100), loop_clip(140)
    kinds = set()
    for seed in range(40):
        worse = damaged(clip, other, seed)
        assert worse.tempo_bpm == 100
        assert worse.samples.shape[1] >= 6.5 * RATE_HZ - 1
        assert worse.samples.dtype == np.float32
        assert np.isfinite(worse.samples).all()
        kinds.add(worse.group)
    assert kinds == {"loops, noise", "loops, other", "loops, filter", "loops, none"}


def test_tuning_material_stays_below_the_scoring_seeds() -> None:
    made = list(tuning_clips(loop_clip(bpm) for bpm in (90, 100, 110, 120, 130)))
    assert len(made) == 4 * (1 + 4) + 2
    assert [clip.tempo_bpm for clip in made[-2:]] == [None, None]
    assert len(made) < FIRST_SCORING_SEED


def test_a_folder_with_a_manifest(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "loop.wav", drum_loop(120).T, RATE_HZ)
    items = [
        {"file": "loop.wav", "group": "loops", "bpm": 120.0, "beats_s": [0.1, 0.6]},
        {"file": "loop.wav", "group": "songs", "bpm": None, "tracker_bpm": 119.0},
        {"file": "absent.wav", "group": "edits", "bpm": None},
    ]
    (tmp_path / "manifest.json").write_text(json.dumps({"items": items}))
    known, heard = folder_clips(tmp_path)
    assert (known.group, known.tempo_bpm, known.samples.shape[0]) == ("loops", 120.0, 1)
    assert known.beats_s is not None
    assert (heard.group, heard.tempo_bpm, heard.beats_s) == ("songs (tracker)", 119.0, None)


def test_scores_of_a_right_and_of_a_wrong_truth() -> None:
    right = score_clip(loop_clip(122), 0)
    assert right.tempo.tempo_bpm == pytest.approx(122, rel=1e-3)
    assert right.follows == (True,) * len(FACTORS)
    assert right.scores_2pct[0] > 0 > right.scores_2pct[1:].max()
    assert right.verdicts[0] == "match"
    assert right.near_verdicts == ("mismatch", "mismatch")
    wrong = score_clip(replace(loop_clip(122), tempo_bpm=109.0), 0)
    assert wrong.scores_2pct[0] < 0
    assert wrong.verdicts[0] == "mismatch"
    above, below = near_misses_bpm(100.0, 0)
    assert 96.1 < below < 97.6 < 102.5 <= above <= 104
    for table in (accuracy_table, confidence_table, verification_table, following_table):
        assert table([right, wrong]).row_count >= 1


def test_without_truth_there_is_no_score() -> None:
    with pytest.raises(ValueError, match="no tempo"):
        score_clip(pulseless_clip(0), 0)


def test_answers_tell_music_from_noise() -> None:
    folded, octave = answers([loop_clip(122), pulseless_clip(0)])
    assert folded[:, -1].tolist() == [1, 0]
    assert len(octave) == 1
    sure, unsure = (chance(weights().folded, tuple(row[:-1])) for row in folded)
    assert sure > 0.9 > 0.5 > unsure


def test_a_fitted_curve_is_calibrated() -> None:
    generator = np.random.default_rng(0)
    signs = np.stack([np.ones(4000), generator.normal(size=4000)], axis=1)
    truth = 1 / (1 + np.exp(-(0.5 + 1.5 * signs[:, 1])))
    fitted = fit_curve(signs, generator.random(4000) < truth)
    assert fitted == pytest.approx([0.5, 1.5], abs=0.15)


def test_stored_weights_name_their_recipe_and_rise_with_the_evidence() -> None:
    stored = json.loads(WEIGHTS_FILE.read_text())
    assert stored["made_by"] == "python -m workbench.analysis.checks.fit_tempo"
    assert stored["answers"] >= 400
    assert min(weights().folded[1:]) > 0
    assert chance(weights().octave, octave_signs(2.0)) > chance(weights().octave, octave_signs(0))
