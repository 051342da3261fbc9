"""The audit names what was done outside the span, finds the edges, and the splice repairs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from workbench.analysis.checks.score_untouched import (
    Edit,
    coded_copy,
    programmed_edits,
    rendered_again,
)
from workbench.analysis.features import FEATURE_RATE_HZ, FloatArray
from workbench.analysis.untouched import audit_untouched, edit_extent, splice_back
from workbench.errors import AudioError

RATE_HZ = FEATURE_RATE_HZ


@pytest.fixture(scope="module")
def edits() -> list[Edit]:
    return list(programmed_edits(2))


@pytest.fixture(scope="module")
def edit(edits: list[Edit]) -> Edit:
    return edits[0]


def noise(*, seconds: float = 4.0, channels: int = 2, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    size = (channels, round(seconds * RATE_HZ))
    return rng.standard_normal(size, dtype=np.float32) * np.float32(0.1)


def test_pasted_back_is_identical(edit: Edit) -> None:
    found = audit_untouched(edit.source, edit.edited, RATE_HZ, [edit.span])
    assert found.verdict == "identical"
    assert found.pasted_back
    assert found.kept_snr_db == np.inf
    assert found.kept_mel_db == 0
    assert found.kept_chroma == pytest.approx(1, abs=1e-5)
    assert (found.lag_s, found.gain_db) == (0, 0)
    assert found.changed_s == ()
    kept_s = edit.source.shape[1] / RATE_HZ - (edit.span[1] - edit.span[0]) - 0.2
    assert found.kept_s == pytest.approx(kept_s, abs=0.01)


def test_one_other_sample_is_not_identical(edit: Edit) -> None:
    edited = edit.edited.copy()
    edited[0, 100] += 1e-3
    found = audit_untouched(edit.source, edited, RATE_HZ, [edit.span])
    assert found.verdict == "same waveform"
    assert found.pasted_back


@pytest.mark.parametrize("container", ["OGG", "MP3"])
def test_a_codec_leaves_the_same_waveform(edit: Edit, container: str) -> None:
    coded = coded_copy(edit.edited, RATE_HZ, container)
    found = audit_untouched(edit.source, coded, RATE_HZ, [edit.span])
    assert found.verdict == "same waveform"
    assert not found.pasted_back
    assert found.lag_s == 0
    assert found.gain_db == pytest.approx(0, abs=0.1)
    extent = edit_extent(edit.source, coded, RATE_HZ, edit.span)
    assert extent.within_tolerance


@pytest.mark.parametrize(("lag", "gain"), [(441, 0.5), (-300, 1.2), (0, -1.0)])
def test_lag_gain_and_polarity_are_findings(edit: Edit, lag: int, gain: float) -> None:
    moved = np.roll(edit.source, lag, axis=1) * np.float32(gain)
    found = audit_untouched(edit.source, moved, RATE_HZ, [(0.0, 1.0), (22.0, 24.0)])
    assert found.verdict == "same waveform"
    assert found.lag_s == pytest.approx(lag / RATE_HZ)
    assert found.gain_db == pytest.approx(20 * np.log10(abs(gain)), abs=0.05)
    assert found.polarity_inverted == (gain < 0)
    assert found.kept_snr_db > 60


def test_noise_of_known_level_reads_as_that_snr() -> None:
    source = noise()
    edited = source + np.float32(0.03) * noise(seed=1)
    found = audit_untouched(source, edited, RATE_HZ, [])
    assert found.kept_snr_db == pytest.approx(-20 * np.log10(0.03), abs=0.1)


def test_a_vocoder_keeps_the_music_and_not_the_waveform(edit: Edit) -> None:
    found = audit_untouched(edit.source, edit.rendered_again, RATE_HZ, [edit.span])
    assert found.verdict == "same music, rendered again"
    assert found.kept_snr_db < 5
    assert found.kept_mel_db < 4
    assert found.kept_chroma > 0.93
    strict = audit_untouched(
        edit.source, edit.rendered_again, RATE_HZ, [edit.span], round_trip_mel_db=1.0
    )
    assert strict.verdict == "changed"
    assert edit_extent(edit.source, edit.rendered_again, RATE_HZ, edit.span).within_tolerance


def test_a_second_replaced_outside_is_found_where_it_is(edits: list[Edit]) -> None:
    edit, other = edits
    start = round((edit.span[1] + 2) * RATE_HZ)
    edited = edit.edited.copy()
    edited[:, start : start + RATE_HZ] = other.source[:, start : start + RATE_HZ]
    found = audit_untouched(edit.source, edited, RATE_HZ, [edit.span])
    assert found.verdict == "changed"
    assert found.changed_s[0][0] == pytest.approx(start / RATE_HZ, abs=0.3)
    assert found.changed_s[-1][1] == pytest.approx(start / RATE_HZ + 1, abs=0.3)


def test_another_song_is_changed_all_over(edits: list[Edit]) -> None:
    found = audit_untouched(edits[0].source, edits[1].source, RATE_HZ, [edits[0].span])
    assert found.verdict == "changed"
    assert sum(end_s - start_s for start_s, end_s in found.changed_s) > 0.8 * found.kept_s
    assert found.lag_s is None


@pytest.mark.parametrize("shift_s", [0.0, 0.7, -0.7])
def test_edges_are_found_where_they_are(edit: Edit, shift_s: float) -> None:
    asked = (edit.span[0] + shift_s, edit.span[1] + shift_s)
    extent = edit_extent(edit.source, edit.edited, RATE_HZ, asked)
    assert extent.start_error_s == pytest.approx(-shift_s, abs=0.25)
    assert extent.end_error_s == pytest.approx(-shift_s, abs=0.25)
    assert extent.within_tolerance == (shift_s == 0)


def test_an_edge_at_the_end_of_the_clip_has_no_error(edit: Edit) -> None:
    edited = edit.source.copy()
    edited[:, 15 * RATE_HZ :] = noise(seconds=24)[:, 15 * RATE_HZ : edited.shape[1]]
    extent = edit_extent(edit.source, edited, RATE_HZ, (15.0, 24.0))
    assert extent.end_error_s is None
    assert extent.start_error_s == pytest.approx(0, abs=0.25)


def test_where_nothing_changed_there_is_no_edge(edit: Edit) -> None:
    with pytest.raises(AudioError, match="no edit is found"):
        edit_extent(edit.source, edit.source, RATE_HZ, (5.0, 8.0))


def test_splice_is_the_source_outside_and_the_edit_inside(edit: Edit) -> None:
    damaged = edit.rendered_again
    repaired = splice_back(edit.source, damaged, RATE_HZ, [edit.span])
    start, stop = (round(second * RATE_HZ) for second in edit.span)
    assert np.array_equal(repaired[:, :start], edit.source[:, :start])
    assert np.array_equal(repaired[:, stop:], edit.source[:, stop:])
    assert audit_untouched(edit.source, damaged, RATE_HZ, [edit.span]).verdict != "identical"
    assert audit_untouched(edit.source, repaired, RATE_HZ, [edit.span]).verdict == "identical"
    fade = round(0.02 * RATE_HZ)
    inside = slice(start + fade, stop - fade)
    correlation = np.corrcoef(repaired[0, inside], damaged[0, inside])[0, 1]
    assert correlation > 0.999


def test_splice_brings_a_late_and_soft_edit_into_place(edit: Edit) -> None:
    late = np.pad(edit.edited, ((0, 0), (250, 0)))[:, : edit.edited.shape[1]] / np.float32(2)
    repaired = splice_back(edit.source, late, RATE_HZ, [edit.span])
    start, stop = (round(second * RATE_HZ) for second in edit.span)
    inside = slice(start + 500, stop - 500)
    assert np.abs(repaired[:, inside] - edit.edited[:, inside]).max() < 0.01


def test_splice_keeps_the_power_through_the_crossfade() -> None:
    source, edited = noise(seed=1), noise(seed=2)
    repaired = splice_back(source, edited, RATE_HZ, [(1.0, 3.0)], crossfade_s=0.2)
    middle = repaired[:, round(1.05 * RATE_HZ) : round(1.15 * RATE_HZ)]
    assert np.mean(middle**2) == pytest.approx(np.mean(source**2), rel=0.1)


def test_mono_beside_stereo_counts_as_the_same_in_both_channels() -> None:
    mono = noise(channels=1)
    stereo = np.repeat(mono, 2, axis=0)
    assert audit_untouched(mono, stereo, RATE_HZ, [(1.0, 2.0)]).verdict == "identical"
    assert splice_back(mono, stereo, RATE_HZ, [(1.0, 2.0)]).shape == stereo.shape


def test_a_memory_map_is_as_good_as_an_array(edit: Edit, tmp_path: Path) -> None:
    np.save(tmp_path / "source.npy", edit.source)
    mapped = np.load(tmp_path / "source.npy", mmap_mode="r")
    from_map = audit_untouched(mapped, edit.edited, RATE_HZ, [edit.span])
    assert from_map == audit_untouched(edit.source, edit.edited, RATE_HZ, [edit.span])


AUDIT: Callable[..., object] = audit_untouched
SPLICE: Callable[..., object] = splice_back


@pytest.mark.parametrize(
    ("measure", "edited", "spans", "reason"),
    [
        (AUDIT, noise(seconds=5), [(1.0, 2.0)], r"1\.00 s longer"),
        (AUDIT, noise(channels=3), [(1.0, 2.0)], "2 channels and the edited clip 3"),
        (AUDIT, noise()[0], [(1.0, 2.0)], "shape"),
        (AUDIT, noise(), [(2.0, 1.0)], "does not lie"),
        (AUDIT, noise(), [(3.0, 9.0)], "does not lie"),
        (AUDIT, noise(), [(1.0, 2.0), (1.5, 2.5)], "overlap"),
        (AUDIT, noise(), [(0.2, 3.8)], "Less than 1 s"),
        (AUDIT, noise() * np.float32("nan"), [(1.0, 2.0)], "NaN"),
        (SPLICE, noise(), [], "no span"),
        (SPLICE, noise(), [(1.0, 1.03)], "crossfade"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    measure: Callable[..., object],
    edited: FloatArray,
    spans: list[tuple[float, float]],
    reason: str,
) -> None:
    with pytest.raises(AudioError, match=reason):
        measure(noise(), edited, RATE_HZ, spans)


def test_a_silent_source_has_nothing_to_keep() -> None:
    silence = np.zeros((2, 3 * RATE_HZ), np.float32)
    with pytest.raises(AudioError, match="silent"):
        audit_untouched(silence, noise(seconds=3), RATE_HZ, [(1.0, 2.0)])


def test_rendering_again_leaves_nothing_of_the_waveform(edit: Edit) -> None:
    again, edited = rendered_again(edit.edited), edit.edited
    assert 10 * np.log10(np.mean(again**2) / np.mean(edited**2)) == pytest.approx(0, abs=4)
    assert abs(np.corrcoef(again[0], edited[0])[0, 1]) < 0.3
