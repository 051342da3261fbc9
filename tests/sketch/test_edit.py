"""Is the rest untouched, and does every dial of a seam make its edge worse?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from workbench.sketch import Plan, Seam, inpaint, outpaint, render

PlanMaker = Callable[..., Plan]
RATE = 48000


@pytest.fixture(scope="module")
def piece(plan_of: PlanMaker) -> tuple[np.ndarray, Plan]:
    plan = plan_of("indie pop", duration_s=16.0, tempo_bpm=120.0)
    return render(plan)[0], replace(plan, seed=8)


def level_db(samples: np.ndarray) -> float:
    return float(20 * np.log10(samples.std()))


@pytest.mark.parametrize("seam", [Seam(), Seam(37.0, 6.0, 0.7, hard_cut=True)])
@pytest.mark.parametrize(
    ("start_s", "end_s"), [(5.0, 9.0), (0.0, 3.3), (12.7, 16.0), (0.0, 16.0), (7.0, 7.01)]
)
def test_outside_the_window_nothing_changes(
    piece: tuple[np.ndarray, Plan], start_s: float, end_s: float, seam: Seam
) -> None:
    source, plan = piece
    kept = source.copy()
    edited = inpaint(source, plan, start_s, end_s, seam)
    start, end = round(start_s * RATE), round(end_s * RATE)
    assert edited.shape == source.shape
    assert edited.dtype == np.float32
    assert np.array_equal(source, kept), "the source itself was changed"
    assert np.array_equal(edited[:, :start], source[:, :start])
    assert np.array_equal(edited[:, end:], source[:, end:])
    assert not np.array_equal(edited[:, start:end], source[:, start:end])
    steps = edited * np.float32(32768)
    assert np.array_equal(steps, np.rint(steps))


@pytest.mark.parametrize(("before_s", "after_s"), [(3.0, 0.0), (0.0, 2.5), (1.7, 4.0), (0.0, 0.0)])
def test_the_source_is_whole_inside_an_extension(
    piece: tuple[np.ndarray, Plan], before_s: float, after_s: float
) -> None:
    source, plan = piece
    longer = outpaint(source, plan, before_s, after_s, Seam())
    before, after = round(before_s * RATE), round(after_s * RATE)
    assert longer.shape[1] == before + source.shape[1] + after
    assert np.array_equal(longer[:, before : before + source.shape[1]], source)
    assert before == 0 or longer[:, :before].std() > 0.01
    assert after == 0 or longer[:, -after:].std() > 0.01


def test_a_clean_edit_keeps_the_level_and_makes_no_click(piece: tuple[np.ndarray, Plan]) -> None:
    source, plan = piece
    edited = inpaint(source, plan, 5.0, 11.0, Seam())
    inside, around = edited[:, 5 * RATE : 11 * RATE], source[:, 2 * RATE : 14 * RATE]
    assert abs(level_db(inside) - level_db(around)) < 2.0
    assert jump(edited, 5 * RATE) < 1.5 * jump_usual(source)


def jump(samples: np.ndarray, place: int) -> float:
    """Second difference at a joint: what a click is made of."""
    bend = np.abs(np.diff(samples[:, place - 3 : place + 3], 2, axis=1))
    return float(bend.max())


def jump_usual(samples: np.ndarray) -> float:
    """The second difference that one percent of the samples exceed."""
    return float(np.quantile(np.abs(np.diff(samples, 2, axis=1)), 0.99))


def test_level_dial(piece: tuple[np.ndarray, Plan]) -> None:
    source, plan = piece
    window = slice(round(5.1 * RATE), round(8.9 * RATE))  # between the crossfades
    clean = level_db(inpaint(source, plan, 5.0, 9.0, Seam())[:, window])
    for step_db in (-12.0, -6.0, -3.0, 3.0):
        edited = inpaint(source, plan, 5.0, 9.0, Seam(level_db=step_db))
        assert level_db(edited[:, window]) - clean == pytest.approx(step_db, abs=0.3)


def centroid_hz(samples: np.ndarray) -> float:
    size = np.abs(np.fft.rfft(samples.mean(axis=0)))
    return float((size * np.fft.rfftfreq(samples.shape[1], 1 / RATE)).sum() / size.sum())


def test_timbre_dial(piece: tuple[np.ndarray, Plan]) -> None:
    source, plan = piece
    window = slice(5 * RATE, 9 * RATE)
    edits = [inpaint(source, plan, 5.0, 9.0, Seam(timbre=t)) for t in (0, 0.25, 0.5, 1.0)]
    centroids = [centroid_hz(edited[:, window]) for edited in edits]
    assert centroids == sorted(centroids, reverse=True)
    assert centroids[-1] < 0.5 * centroids[0]
    levels = [level_db(edited[:, window]) for edited in edits]
    assert max(levels) - min(levels) < 1.5


def test_phase_dial(plan_of: PlanMaker) -> None:
    plan = plan_of("techno", duration_s=16.0, tempo_bpm=120.0, sections=(("verse", 1.0),))
    source, _ = render(plan)
    window = slice(6 * RATE, 10 * RATE)
    clean = inpaint(source, plan, 5.0, 11.0, Seam())[0, window]
    for phase_ms in (-40.0, 10.0, 25.0, 80.0):
        late = inpaint(source, plan, 5.0, 11.0, Seam(phase_ms=phase_ms))[0, window]
        both = np.fft.rfft(clean, 1 << 19).conj() * np.fft.rfft(late, 1 << 19)
        lags = np.fft.irfft(both)
        lag = int(np.argmax(np.concatenate([lags[-9600:], lags[:9600]]))) - 9600
        assert lag / 48 == pytest.approx(phase_ms, abs=1.0)


def test_hard_cut_clicks(piece: tuple[np.ndarray, Plan]) -> None:
    source, plan = piece
    clean, hard = [], []
    for place in range(3, 8):
        start_s = place + 0.137
        edited = inpaint(source, plan, start_s, start_s + 2, Seam())
        clean.append(jump(edited, round(start_s * RATE)))
        edited = inpaint(source, plan, start_s, start_s + 2, Seam(hard_cut=True))
        hard.append(jump(edited, round(start_s * RATE)))
    assert np.median(hard) > 3 * np.median(clean)


def test_new_material_continues_the_grid(plan_of: PlanMaker) -> None:
    plan = plan_of("techno", duration_s=12.0, tempo_bpm=125.0)
    source, _ = render(plan)
    longer = outpaint(source[:, : 10 * RATE], replace(plan, seed=4), 4.0, 6.0, Seam())
    low = np.cumsum(longer.mean(axis=0), dtype=np.float64)
    low = low[240:] - low[:-240]
    level = np.abs(low[: low.size // 480 * 480]).reshape(-1, 480).max(axis=1)
    rise = np.maximum(0, np.diff(level))
    beat = 60 / 125
    # Beats of the source are at 4 s + k * beat; fold all onsets onto one beat.
    phase = ((np.arange(rise.size) + 1) * 0.01 - 4.0) / beat
    for start, stop in ((0, 390), (400, 1400), (1410, 1990)):
        turn = (rise[start:stop] * np.exp(2j * np.pi * phase[start:stop])).sum()
        assert abs(np.angle(turn)) / (2 * np.pi) * beat < 0.05


def test_impossible_edits_are_refused(piece: tuple[np.ndarray, Plan]) -> None:
    source, plan = piece
    for start_s, end_s in ((5.0, 5.0), (9.0, 5.0), (-1.0, 5.0), (5.0, 17.0)):
        with pytest.raises(ValueError, match="window"):
            inpaint(source, plan, start_s, end_s, Seam())
    with pytest.raises(ValueError, match="shape"):
        inpaint(source[0], plan, 1.0, 2.0, Seam())
    with pytest.raises(ValueError, match="add"):
        outpaint(source, plan, -1.0, 2.0, Seam())
    with pytest.raises(ValueError, match="timbre"):
        Seam(timbre=2.0)
