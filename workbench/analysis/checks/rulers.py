"""How wrong is each ruler, on this machine, today?

Every ruler is held against material whose truth is known because it is built here, from seeds
that no ruler was tuned on, by the functions of the scoring commands beside this module. One
figure per question, each with its n and, where the trials are a sample, its 95 % interval:
Wilson's for shares, a bootstrap by clip for medians, means and areas. The meter tones are no
sample but a published list: their figure is the worst of them and has no interval.

What is programmed is not what is recorded: figures on recordings are lower, and come from the
scoring commands with folders of audio (`score_tempo FOLDER`, `score_levels FILES`).

References: as the rulers; EBU Tech 3341 and 3342 for the meter tones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Literal

import numpy as np

from workbench.analysis.beat_scores import BeatScores, score_beats
from workbench.analysis.beats import track_beats
from workbench.analysis.checks import score_levels
from workbench.analysis.checks.material import FIRST_SCORING_SEED, pulseless_clip, sketch_clip
from workbench.analysis.checks.score_diversity import DISTANCES, Rungs, climb
from workbench.analysis.checks.score_key import SCORED_GENRES, key_or_none, keyed_clips
from workbench.analysis.checks.score_tempo import follows, wrong_requests_bpm
from workbench.analysis.checks.score_untouched import (
    EXPECTED,
    audits_by_treatment,
    edge_errors_s,
    programmed_edits,
)
from workbench.analysis.features import Features
from workbench.analysis.key import key_relation, key_score
from workbench.analysis.ladder import KINDS, SHORTEST_SIDE_S, Ladder
from workbench.analysis.products import DoubleArray
from workbench.analysis.pulse import PulseEvidence
from workbench.analysis.rates import Share, area_under_curve, bootstrap_interval, share_of
from workbench.analysis.seams import Seam, measure_seam
from workbench.analysis.tempo import (
    estimate_tempo,
    tempo_error_pct,
    tempo_folded_error_pct,
    verify_tempo,
)
from workbench.analysis.untouched import EXTENT_TOLERANCE_S
from workbench.sketch import RATE_HZ as SKETCH_RATE_HZ

SizeName = Literal["small", "full"]

_RIGHT_PCT = 4.0
_METER_RATE_HZ = 48_000
_HOLE_MS = 10
_CLIP_DEPTH_DB = 3.0
_FIRST_SEAM_SEED = FIRST_SCORING_SEED + 500
_SEAM_CLIP_S = 24.0
# Of the retakes, the fewest and the most bars anew, and steps between.
_VARIANCES = (0.1, 0.3, 0.6)

Step = Callable[[], None]
"""Called by a check after each of its steps."""


@dataclass(frozen=True)
class Size:
    """How many clips each ruler is checked on."""

    tempo_clips: int
    factors: tuple[float, ...]
    keys_per_genre: int
    level_clips: int
    edits: int
    seam_clips: int
    seam_kinds: tuple[str, ...]
    untouched_places: int
    songs: int


SIZES: Mapping[SizeName, Size] = MappingProxyType(
    {
        "small": Size(
            tempo_clips=16,
            factors=(0.90, 1.06),
            keys_per_genre=2,
            level_clips=12,
            edits=2,
            seam_clips=5,
            # Without the codecs: making them takes longer than reading all else.
            seam_kinds=(
                "gain_3_db",
                "reverb",
                "delay_20_ms",
                "splice_on_beat",
                "dropout_20_ms",
            ),
            untouched_places=3,
            songs=3,
        ),
        "full": Size(
            tempo_clips=90,
            factors=(0.90, 0.94, 0.97, 1.03, 1.06, 1.10),
            keys_per_genre=24,
            level_clips=60,
            edits=18,
            seam_clips=36,
            seam_kinds=tuple(kind for kind in KINDS if kind != "untouched"),
            untouched_places=4,
            songs=18,
        ),
    }
)

_QUICK_CHECKS = ("tempo", "key", "loudness", "levels")
_QUICK = Size(
    tempo_clips=6,
    factors=(0.94,),
    keys_per_genre=2,
    level_clips=6,
    edits=0,
    seam_clips=0,
    seam_kinds=(),
    untouched_places=0,
    songs=0,
)


@dataclass(frozen=True)
class RulerFigure:
    """One figure of one ruler.

    Attributes
    ----------
    ruler, what : str
        Which ruler, and what was asked of it.
    figure : float
        In `unit`: "%" of the trials, "AUC" 0..1, or the unit of an error.
    n : int
        Trials.
    low, high : float or None
        95 % interval; None where the trials are a fixed list and no sample.
    material : str
        What it was measured on.
    """

    ruler: str
    what: str
    figure: float
    unit: str
    n: int
    low: float | None
    high: float | None
    material: str

    @property
    def text(self) -> str:
        """The figure with its unit: three digits, shares in tenths.

        Examples
        --------
        >>> RulerFigure("tempo", "within 4 %", 66.666, "%", 3, 20.8, 93.9, "clicks").text
        '66.7 %'
        """
        return f"{_digits(self.figure)} {self.unit}"

    @property
    def interval_text(self) -> str:
        """The interval in the figure's unit, or a dash."""
        if self.low is None or self.high is None:
            return "-"
        return f"{_digits(self.low)} to {_digits(self.high)}"


def _digits(value: float) -> str:
    if 0 < abs(value) < 1e-4:
        return "<0.0001"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def check_tempo(size: Size, step: Step) -> Iterator[RulerFigure]:
    """Estimate, verification, beats, and whether the estimate follows a known resampling."""
    errors_pct, folded_pct, followed, decided = [], [], [], []
    beats: list[BeatScores] = []
    scores: list[list[float]] = []
    for seed in range(FIRST_SCORING_SEED, FIRST_SCORING_SEED + size.tempo_clips):
        clip = sketch_clip(seed)
        truth_bpm = clip.tempo_bpm or np.nan
        features = Features(clip.samples, clip.rate_hz)
        tempo = estimate_tempo(features)
        if tempo.tempo_bpm is None:
            errors_pct.append(np.inf)
            folded_pct.append(np.inf)
        else:
            errors_pct.append(abs(tempo_error_pct(tempo.tempo_bpm, truth_bpm)))
            folded_pct.append(abs(tempo_folded_error_pct(tempo.tempo_bpm, truth_bpm)))
        followed += [follows(features, tempo, factor) for factor in size.factors]
        if clip.beats_s is not None:
            beats.append(score_beats(clip.beats_s, track_beats(features, tempo)))
        evidence = PulseEvidence(features.onset_bands)
        asked_bpm = (truth_bpm, *wrong_requests_bpm(truth_bpm, seed))
        answers = [verify_tempo(evidence, float(asked)) for asked in asked_bpm]
        wanted = ["match"] + ["mismatch"] * (len(asked_bpm) - 1)
        decided += [
            found == right
            for (found, _), right in zip(answers, wanted, strict=True)
            if found != "undecided"
        ]
        scores.append([score for _, score in answers])
        step()
    on = "sketch clips, 30 s"
    yield _of_share("tempo", "within 4 %", share_of(np.array(errors_pct) <= _RIGHT_PCT), on)
    folded = np.array(folded_pct)
    yield _of_share("tempo", "within 4 %, octaves allowed", share_of(folded <= _RIGHT_PCT), on)
    given = folded[np.isfinite(folded)]
    if len(given):
        yield _of_sample("tempo", "median error, octaves allowed", given, np.median, ("%", on))
    yield _of_share("tempo", "verification right, where decided", share_of(decided), on)
    areas = np.array(scores)
    yield _of_area("tempo", "verification", areas[:, :1], areas[:, 1:], on)
    for name, what in (("f_measure", "F-measure"), ("cmlt", "CMLt"), ("amlt", "AMLt")):
        values = np.array([getattr(one, name) for one in beats])
        yield _of_sample("beats", f"mean {what}", values, np.mean, ("of 1", on))
    yield _of_share(
        "tempo", "follows a known resampling to 0.5 %", share_of(followed), f"{on}, no labels"
    )
    refused = [
        estimate_tempo(Features(clip.samples, clip.rate_hz)).tempo_bpm is None
        for clip in map(pulseless_clip, range(FIRST_SCORING_SEED, FIRST_SCORING_SEED + 12))
    ]
    yield _of_share("tempo", "refused without a pulse", share_of(refused), "noise, gusts, clicks")


def check_key(size: Size, step: Step) -> Iterator[RulerFigure]:
    """Exact, exact or relative, and the weighted score; what is refused counts as wrong."""
    # Major keys come first, twelve of them: half of the numbers from either dozen.
    half = size.keys_per_genre // 2
    relations, scores = [], []
    for clip in keyed_clips(SCORED_GENRES, [*range(half), *range(12, 12 + half)]):
        found = key_or_none(clip.samples, SKETCH_RATE_HZ)
        relations.append(key_relation(found.key, clip.key) if found else None)
        scores.append(key_score(found.key, clip.key) if found else 0.0)
        step()
    on = "sketch clips of nine genres, 30 s"
    yield _of_share("key", "exact", share_of([r == "same" for r in relations]), on)
    close = share_of([r in ("same", "relative") for r in relations])
    yield _of_share("key", "exact or relative", close, on)
    yield _of_sample("key", "mean weighted score", np.array(scores), np.mean, ("of 1", on))


def check_loudness(size: Size, step: Step) -> Iterator[RulerFigure]:
    """Loudness, range and true peak of the meter tones, whatever the size."""
    tones = "meter tones at 48 kHz"
    for what, unit, errors in (
        ("loudness, worst error", "LU", score_levels.loudness_errors_lu(_METER_RATE_HZ)),
        ("range, worst error", "LU", score_levels.range_errors_lu(_METER_RATE_HZ)),
        ("true peak, worst error", "dB", score_levels.peak_errors_db(_METER_RATE_HZ)),
    ):
        worst = float(np.abs(errors).max())
        yield RulerFigure("loudness", what, worst, unit, len(errors), None, None, tones)
    step()


def check_levels(size: Size, step: Step) -> Iterator[RulerFigure]:
    """Clipping, dropouts, silence, endings and width that were planted."""
    clips = score_levels.material_clips(size.level_clips)
    on = "built music, 6 s"
    cut = f"{on}, cut by {_CLIP_DEPTH_DB:g} dB"
    runs = score_levels.clipped_runs_found(clips, _CLIP_DEPTH_DB)
    yield _of_share("clipping", "runs found", runs, cut)
    alarms = score_levels.clean_called_clipped(clips)
    yield _of_share("clipping", "clean channels called clipped", alarms, on)
    holes, _ = score_levels.holes_found(clips, _HOLE_MS)
    yield _of_share("dropout", f"holes of {_HOLE_MS} ms found", holes, f"{on}, one hole each")
    sizes_s = np.abs(score_levels.silence_errors_s(clips)).max(axis=1)
    yield _of_sample(
        "silence",
        "median of each clip's largest error",
        sizes_s,
        np.median,
        ("s", f"{on}, silent before, inside and after"),
    )
    right = score_levels.endings_right(clips).values()
    endings = Share(sum(share.hits for share in right), sum(share.total for share in right))
    yield _of_share("ending", "verdict right", endings, f"{on}, cut, faded and padded")
    sizes_db = np.abs(score_levels.width_errors_db(clips))
    yield _of_sample("width", "median error", sizes_db, np.median, ("dB", f"{on}, side set"))
    step()


def check_untouched(size: Size, step: Step) -> Iterator[RulerFigure]:
    """Verdicts by what was done outside the span, and where the edges are found."""
    edits = list(programmed_edits(size.edits))
    for kind, audits in audits_by_treatment(edits).items():
        right = share_of([audit.verdict == EXPECTED[kind] for audit in audits])
        yield _of_share("untouched", f"{kind}: verdict right", right, "sketch edits, 24 s")
    for kind, errors_s in edge_errors_s(edits).items():
        close = share_of(np.abs(errors_s) <= EXTENT_TOLERANCE_S)
        yield _of_share("untouched", f"{kind}: edge within 0.25 s", close, "sketch edits, 24 s")
    step()


def check_diversity(size: Size, step: Step) -> Iterator[RulerFigure]:
    """Whether distances do not fall as more of a song is played anew, and what no change is."""
    songs: list[Rungs] = []
    for number in range(size.songs):
        songs.append(climb(number, _VARIANCES))
        step()
    on = f"sketch songs, 30 s, {_VARIANCES[0]:g} to {_VARIANCES[-1]:g} of their bars anew"
    for distance in DISTANCES:
        up = share_of([is_up for song in songs for is_up in song.steps_up(distance)])
        yield _of_share("diversity", f"{distance} does not fall with variance", up, on)
    again = share_of([not song.again.any() for song in songs])
    yield _of_share("diversity", "nothing between two renderings of a seed", again, on)


def check_seams(size: Size, step: Step) -> Iterator[RulerFigure]:
    """Alarms at untouched places, and each kind of edit against those."""
    untouched: list[list[Seam]] = []
    edited: dict[str, list[list[float]]] = {kind: [] for kind in size.seam_kinds}
    for seed in range(_FIRST_SEAM_SEED, _FIRST_SEAM_SEED + size.seam_clips):
        clip, rng = sketch_clip(seed, duration_s=_SEAM_CLIP_S), np.random.default_rng(seed)
        rate_hz = clip.rate_hz
        low_s, high_s = SHORTEST_SIDE_S, _SEAM_CLIP_S - SHORTEST_SIDE_S
        places_s = rng.uniform(low_s, high_s, size.untouched_places)
        untouched.append([measure_seam(clip.samples, rate_hz, place_s) for place_s in places_s])
        ladder = Ladder(clip.samples, rate_hz, beat_s=60 / (clip.tempo_bpm or 120.0))
        edge_s = float(rng.uniform(low_s, high_s))
        for kind, scores in edited.items():
            after = ladder.edit(kind, edge_s, rng)
            scores.append([measure_seam(after, rate_hz, edge_s).score])
        step()
    on = f"sketch clips, {_SEAM_CLIP_S:g} s"
    alarms = share_of([seam.verdict != "none found" for seams in untouched for seam in seams])
    yield _of_share("seams", "alarms at untouched places", alarms, on)
    quiet = np.array([[seam.score for seam in seams] for seams in untouched])
    for kind, rows in edited.items():
        yield _of_area("seams", _in_words(kind), np.array(rows), quiet, on)


@dataclass(frozen=True)
class Check:
    """One group of figures, and how much work it is.

    Attributes
    ----------
    figures : callable
        From a size, and what to call after each step, to the figures.
    steps : callable
        From a size to how many steps there are.
    step_s : callable
        From a size to the processor seconds of one step, where this was written: what the time
        that is left is estimated from.
    """

    figures: Callable[[Size, Step], Iterator[RulerFigure]] = field(repr=False)
    steps: Callable[[Size], int]
    step_s: Callable[[Size], float]

    def __call__(self, size: Size, step: Step = lambda: None) -> Iterator[RulerFigure]:
        """The figures; `step` is called after each step."""
        return self.figures(size, step)


CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "tempo": Check(
            check_tempo, lambda s: s.tempo_clips, lambda s: 0.05 + 0.02 * len(s.factors)
        ),
        "key": Check(check_key, lambda s: len(SCORED_GENRES) * s.keys_per_genre, lambda s: 0.07),
        "loudness": Check(check_loudness, lambda s: 1, lambda s: 1.0),
        "levels": Check(check_levels, lambda s: 1, lambda s: 0.05 * s.level_clips),
        "untouched": Check(check_untouched, lambda s: 1, lambda s: 1.0 * s.edits),
        "diversity": Check(check_diversity, lambda s: s.songs, lambda s: 1.5),
        "seams": Check(
            check_seams,
            lambda s: s.seam_clips,
            lambda s: 0.27 * (s.untouched_places + len(s.seam_kinds)),
        ),
    }
)


def ruler_figures(
    size: SizeName = "small", watch: Callable[[str, float], None] = lambda name, share: None
) -> Iterator[RulerFigure]:
    """Measure every ruler against its truth, figure by figure.

    Parameters
    ----------
    size : str
        "small" takes half a minute of one core, "full" about five; same questions, but the full
        one has every kind of edit.
    watch : callable
        Told the name of the check under way and the share of all the work that is done, 0..1.

    Yields
    ------
    RulerFigure
        The same on every call and machine, but for rounding.

    Examples
    --------
    >>> [figure.what for figure in CHECKS["loudness"](SIZES["small"])]
    ['loudness, worst error', 'range, worst error', 'true peak, worst error']
    """
    chosen = SIZES[size]
    whole_s = sum(check.steps(chosen) * check.step_s(chosen) for check in CHECKS.values())
    work = _Work(whole_s, watch)
    for name, check in CHECKS.items():
        yield from check(chosen, work.begin(name, check.step_s(chosen)))


@cache
def quick_figures() -> tuple[RulerFigure, ...]:
    """The rulers of the standard set on a few clips each: what stands in every report.

    Returns
    -------
    tuple of RulerFigure
        Measured in about three seconds on the first call, the same after it.
    """
    return tuple(figure for name in _QUICK_CHECKS for figure in CHECKS[name](_QUICK))


def check_rulers(size: SizeName = "small") -> tuple[RulerFigure, ...]:
    """All of `ruler_figures` at once."""
    return tuple(ruler_figures(size))


class _Work:
    """How much of all the work is done, in seconds of it."""

    def __init__(self, whole_s: float, watch: Callable[[str, float], None]) -> None:
        self._whole_s, self._watch, self._done_s = whole_s, watch, 0.0

    def begin(self, name: str, step_s: float) -> Step:
        """Tell that a check begins; returns what it calls after each step."""
        self._watch(name, self._done_s / self._whole_s)

        def step() -> None:
            self._done_s += step_s
            self._watch(name, self._done_s / self._whole_s)

        return step


def _in_words(kind: str) -> str:
    return kind.replace("_", " ").replace(" db", " dB")


def _of_share(ruler: str, what: str, share: Share, material: str) -> RulerFigure:
    low, high = share.interval
    value = 100 * share.value
    return RulerFigure(ruler, what, value, "%", share.total, 100 * low, 100 * high, material)


def _of_sample(
    ruler: str,
    what: str,
    values: DoubleArray,
    statistic: Callable[[DoubleArray], np.floating],
    unit_material: tuple[str, str],
) -> RulerFigure:
    low, high = bootstrap_interval(len(values), lambda drawn: float(statistic(values[drawn])))
    unit, material = unit_material
    figure = float(statistic(values))
    return RulerFigure(ruler, what, figure, unit, len(values), low, high, material)


def _of_area(
    ruler: str, what: str, edited: DoubleArray, untouched: DoubleArray, material: str
) -> RulerFigure:
    """Area under the curve of (clips, k) scores against (clips, m) others, drawn by clip."""

    def area(drawn: np.ndarray[tuple[int], np.dtype[np.intp]]) -> float:
        return area_under_curve(edited[drawn].ravel(), untouched[drawn].ravel())

    low, high = bootstrap_interval(len(edited), area)
    figure = area(np.arange(len(edited)))
    return RulerFigure(ruler, what, figure, "AUC", edited.size, low, high, material)
