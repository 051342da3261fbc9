"""From a clip and what was asked of it to measurements; one small function per question.

A measure is a pure function of a `Subject`. What cannot be measured is an undefined measurement
with its reason, never a gap. The rulers themselves, and the error of each, live in `analysis`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from workbench.clip import Clip, Samples
from workbench.errors import AudioError, RequestError
from workbench.request import AnyRequest, Inpaint, Outpaint, Request
from workbench.take import Measurement
from workbench.words import parse_key

if TYPE_CHECKING:
    from workbench.analysis.features import Features
    from workbench.analysis.levels import Levels
    from workbench.analysis.loudness import KWeighted
    from workbench.analysis.peaks import Peaks
    from workbench.analysis.pulse import PulseEvidence
    from workbench.analysis.silence import Silence
    from workbench.analysis.tempo import Tempo

Spans = tuple[tuple[float, float], ...]
Edges = tuple[float | None, float | None]

NOT_ASKED = "not asked for"
NO_EDIT = "not an edit"
EXPECTED_REASONS = frozenset({NOT_ASKED, NO_EDIT})
"""Reasons that lie in what was asked, not in the audio."""


class Undefined(str):
    """Why one quantity has no value where its neighbours have one."""


Values = Mapping[str, float | str | Undefined | None]


@dataclass(frozen=True)
class Edit:
    """What an edit started from, laid in the time of its result.

    `source` has the result's rate and is silent where there was nothing; `spans` are what was to
    become new, `edges_s` their inner ends, None where an edit begins or ends with the clip.
    """

    source: Samples
    spans: Spans
    edges_s: Edges


@dataclass(frozen=True)
class Subject:
    """A clip to measure, with what was asked of it where that is known.

    The shared arrays are computed once, when the first measure needs them.
    """

    clip: Clip
    request: AnyRequest | None = None

    @cached_property
    def features(self) -> Features:
        """Rhythm and timbre arrays."""
        from workbench.analysis.features import Features

        return Features(self.clip.samples, self.clip.rate_hz)

    @cached_property
    def pulse(self) -> PulseEvidence:
        """How much pulse there is at each tempo."""
        from workbench.analysis.pulse import PulseEvidence

        return PulseEvidence(self.features.onset_bands)

    @cached_property
    def tempo(self) -> Tempo:
        """How fast it is, or why that is undefined."""
        from workbench.analysis.tempo import estimate_tempo

        return estimate_tempo(self.features, self.pulse)

    @cached_property
    def k_weighted(self) -> KWeighted:
        """Block powers behind the loudness weighting."""
        from workbench.analysis.loudness import KWeighted

        return KWeighted.of(self.clip.samples, self.clip.rate_hz)

    @cached_property
    def peaks(self) -> Peaks:
        """Sample peaks and rails."""
        from workbench.analysis.peaks import Peaks

        return Peaks.of(self.clip.samples)

    @cached_property
    def levels(self) -> Levels:
        """Levels in cells of about a millisecond."""
        from workbench.analysis.levels import Levels

        return Levels.of(self.clip.samples, self.clip.rate_hz)

    @cached_property
    def silence(self) -> Silence:
        """Where it is silent."""
        from workbench.analysis.silence import silence

        return silence(self.k_weighted)

    @cached_property
    def edit(self) -> Edit:
        """The source of an edit and its edges; raises `AudioError` where there is none."""
        request = self.request
        if request is None or isinstance(request, Request):
            raise AudioError(NO_EDIT)
        try:
            source = request.source.read().at_rate(self.clip.rate_hz)
            return _laid_out(request, source)
        except (FileNotFoundError, RequestError) as error:
            raise AudioError(str(error)) from None


def compute_features(subjects: Sequence[Subject], device: str) -> None:
    """Compute the rhythm and timbre arrays of many subjects together, on a torch device.

    Parameters
    ----------
    subjects : sequence of Subject
        Those of one rate and length share a pass. What cannot be measured keeps its own reason.
    device : str
        Where torch computes: "cuda", "cuda:1", "cpu", ...

    Raises
    ------
    MetricUnavailable
        If torch is not installed, or sees no such device.
    """
    from workbench.analysis.batched import batched_features, check_device

    check_device(device)
    alike: dict[tuple[int, int], list[Subject]] = {}
    for subject in subjects:
        shape = (subject.clip.rate_hz, subject.clip.samples.shape[1])
        alike.setdefault(shape, []).append(subject)
    for (rate_hz, _), group in alike.items():
        with suppress(AudioError):
            found = batched_features([each.clip.samples for each in group], rate_hz, device)
            for subject, features in zip(group, found, strict=True):
                vars(subject)["features"] = features  # where `cached_property` keeps it


def edges_of(request: AnyRequest) -> Edges:
    """Where the edges of an edit lie in its result, by what was asked and its source's header.

    Parameters
    ----------
    request : Request, Inpaint or Outpaint

    Returns
    -------
    tuple of float or None
        Start and end in seconds; None where the edit begins or ends with the clip, or is none.

    Raises
    ------
    AudioError
        If the source is an address, or no audio file.
    FileNotFoundError
        If the source is gone.
    """
    if isinstance(request, Request):
        return None, None
    return _edges_s(request, request.source.duration_s)


def _edges_s(request: Inpaint | Outpaint, source_s: float) -> Edges:
    if isinstance(request, Inpaint):
        start_s, end_s = request.span.resolve(source_s)
        return start_s or None, end_s if end_s < source_s else None
    return request.before_s or None, request.before_s + source_s if request.after_s else None


def _laid_out(request: Inpaint | Outpaint, source: Clip) -> Edit:
    edges_s = _edges_s(request, source.duration_s)
    if isinstance(request, Inpaint):
        return Edit(source.samples, (request.span.resolve(source.duration_s),), edges_s)
    start_s, end_s = request.before_s, request.before_s + source.duration_s
    added = [round(side_s * source.rate_hz) for side_s in (request.before_s, request.after_s)]
    spans = ((0.0, start_s), (end_s, end_s + request.after_s))
    return Edit(
        source=np.pad(source.samples, ((0, 0), added)),
        spans=tuple(span for span in spans if span[0] < span[1]),
        edges_s=edges_s,
    )


@dataclass(frozen=True)
class Measure:
    """A question to a clip: its name, the version of its method, the quantities it gives.

    `ask` returns a value for each name, `Undefined` with its reason where one has none, or None
    where it was not asked for; it raises `AudioError` where the clip cannot be measured at all.
    """

    name: str
    version: int
    quantities: tuple[str, ...]
    ask: Callable[[Subject], Values] = field(repr=False)

    @property
    def method(self) -> str:
        """Name and version, as kept beside each value."""
        return f"{self.name}/{self.version}"

    def __call__(self, subject: Subject) -> tuple[Measurement, ...]:
        """Measure; every quantity comes back, defined or with its reason."""
        try:
            values = self.ask(subject)
        except AudioError as error:
            values = dict.fromkeys(self.quantities, Undefined(error))
        return tuple(self._measurement(name, values.get(name)) for name in self.quantities)

    def _measurement(self, name: str, value: float | str | Undefined | None) -> Measurement:
        if value is None:
            value = Undefined(NOT_ASKED)
        if isinstance(value, Undefined):
            return Measurement(name=name, method=self.method, reason=str(value))
        return Measurement(name=name, value=value, method=self.method)


def _ask_tempo(subject: Subject) -> Values:
    from workbench.analysis import tempo as ruler

    found = subject.tempo
    if found.tempo_bpm is None:
        raise AudioError(found.reason)
    values: dict[str, float | str | None] = {
        "tempo_bpm": found.tempo_bpm,
        "tempo_confidence": found.confidence,
        "tempo_stability_pct": found.stability_pct,
        "tempo_drift_pct_per_min": found.drift_pct_per_min,
    }
    asked_bpm = subject.request.asked_tempo_bpm if subject.request else None
    if asked_bpm is not None:
        verdict, _ = ruler.verify_tempo(subject.pulse, asked_bpm)
        values |= {
            "tempo_error_pct": ruler.tempo_error_pct(found.tempo_bpm, asked_bpm),
            "tempo_folded_error_pct": ruler.tempo_folded_error_pct(found.tempo_bpm, asked_bpm),
            "tempo_ratio_class": ruler.tempo_ratio_class(found.tempo_bpm, asked_bpm),
            "tempo_match": verdict,
        }
    return values


def _ask_loudness(subject: Subject) -> Values:
    from workbench.analysis import loudness as ruler

    return {
        "loudness_lufs": ruler.loudness_lufs(subject.k_weighted),
        "momentary_max_lufs": ruler.momentary_max_lufs(subject.k_weighted),
    }


def _ask_loudness_range(subject: Subject) -> Values:
    from workbench.analysis import loudness as ruler

    return {"loudness_range_lu": ruler.loudness_range_lu(subject.k_weighted)}


def _ask_peak(subject: Subject) -> Values:
    from workbench.analysis import peaks as ruler

    clipping = ruler.clipping(subject.peaks)
    return {
        "sample_peak_dbfs": ruler.sample_peak_dbfs(subject.peaks),
        "true_peak_dbtp": ruler.true_peak_dbtp(subject.peaks),
        "clipped_runs": float(clipping.clipped_runs),
        "clipped_share": clipping.clipped_share,
        "overs": float(clipping.overs),
        "clipped": "yes" if clipping.clipped else "no",
    }


def _ask_channels(subject: Subject) -> Values:
    from workbench.analysis import levels as ruler

    if subject.clip.channels != 2:
        raise AudioError("width needs two channels.")
    is_mono = ruler.is_mono(subject.levels)
    return {
        "mono": "yes" if is_mono else "no",
        "width_db": Undefined("mono") if is_mono else ruler.width_db(subject.levels),
        "channel_correlation": ruler.correlation(subject.levels),
    }


def _ask_key(subject: Subject) -> Values:
    from workbench.analysis import key as ruler

    found = ruler.estimate_key(subject.features)
    values: dict[str, float | str | None] = {
        "key": str(found.key),
        "key_margin": found.key_margin,
        "key_confidence": found.confidence,
        "key_relative": str(found.relative),
    }
    asked = subject.request.key if subject.request else None
    if asked is not None:
        wish = parse_key(asked)
        values["key_relation"] = ruler.key_relation(found.key, wish)
        values["key_score"] = ruler.key_score(found.key, wish)
    return values


def _ask_silence(subject: Subject) -> Values:
    from workbench.analysis import levels, silence

    found = subject.silence
    return {
        "lead_silence_s": found.lead_s,
        "tail_silence_s": found.tail_s,
        "gaps": float(len(found.gaps)),
        "dropouts": float(len(levels.dropouts(subject.levels))),
        "music_end_s": found.music_end_s,
        "abrupt_end": "yes" if silence.abrupt_end(subject.k_weighted) else "no",
    }


def _ask_seams(subject: Subject) -> Values:
    values: dict[str, float | str | Undefined | None] = {}
    edges_s = subject.edit.edges_s
    for name, edge_s, other_s in zip(("start", "end"), edges_s, edges_s[::-1], strict=True):
        values |= _seam_values(subject.clip, name, edge_s, other_s)
    return values


def _seam_values(clip: Clip, name: str, edge_s: float | None, other_s: float | None) -> Values:
    from workbench.analysis.seams import measure_seam

    names = tuple(f"seam_{what}_{name}" for what in ("score", "verdict", "reasons"))
    if edge_s is None:
        return dict.fromkeys(names, Undefined(f"the edit has no edge at its {name}"))
    avoid_s = () if other_s is None else (other_s,)
    try:
        seam = measure_seam(clip.samples, clip.rate_hz, edge_s, avoid_s=avoid_s)
    except AudioError as error:
        return dict.fromkeys(names, Undefined(error))
    reasons = "; ".join(seam.reasons) or "nothing stands out"
    return dict(zip(names, (seam.score, seam.verdict, reasons), strict=True))


def _ask_untouched(subject: Subject) -> Values:
    from workbench.analysis.untouched import audit_untouched

    edit, clip = subject.edit, subject.clip
    found = audit_untouched(edit.source, clip.samples, clip.rate_hz, edit.spans)
    exact = np.isinf(found.kept_snr_db)
    return {
        "kept_verdict": found.verdict,
        "kept_snr_db": Undefined("no difference") if exact else found.kept_snr_db,
        "kept_mel_db": found.kept_mel_db,
        "kept_chroma": found.kept_chroma,
    }


def _ask_extent(subject: Subject) -> Values:
    from workbench.analysis.untouched import edit_extent

    edit, clip = subject.edit, subject.clip
    errors_s = [
        edit_extent(edit.source, clip.samples, clip.rate_hz, span).edit_extent_error_s
        for span in edit.spans
    ]
    return {"edit_extent_error_s": max(errors_s, key=abs)}


def _ask_duration(subject: Subject) -> Values:
    asked_s = _asked_duration_s(subject.request)
    measured_s = subject.clip.duration_s
    return {
        "duration_s": measured_s,
        "duration_error_s": None if asked_s is None else measured_s - asked_s,
    }


def _asked_duration_s(request: AnyRequest | None) -> float | None:
    """Length asked for; an edit's follows from its source, where that is at hand."""
    if isinstance(request, Request):
        return request.duration_s
    if request is None or not request.source.path:
        return None
    try:
        source_s = request.source.duration_s
    except (AudioError, FileNotFoundError):
        return None
    added_s = request.before_s + request.after_s if isinstance(request, Outpaint) else 0.0
    return source_s + added_s


TEMPO = Measure(
    "tempo",
    1,
    (
        "tempo_bpm",
        "tempo_confidence",
        "tempo_stability_pct",
        "tempo_drift_pct_per_min",
        "tempo_error_pct",
        "tempo_folded_error_pct",
        "tempo_ratio_class",
        "tempo_match",
    ),
    _ask_tempo,
)
LOUDNESS = Measure("loudness", 1, ("loudness_lufs", "momentary_max_lufs"), _ask_loudness)
LOUDNESS_RANGE = Measure("loudness-range", 1, ("loudness_range_lu",), _ask_loudness_range)
PEAK = Measure(
    "peak",
    1,
    (
        "sample_peak_dbfs",
        "true_peak_dbtp",
        "clipped_runs",
        "clipped_share",
        "overs",
        "clipped",
    ),
    _ask_peak,
)
SILENCE = Measure(
    "silence",
    1,
    ("lead_silence_s", "tail_silence_s", "gaps", "dropouts", "music_end_s", "abrupt_end"),
    _ask_silence,
)
CHANNELS = Measure("channels", 1, ("mono", "width_db", "channel_correlation"), _ask_channels)
KEY = Measure(
    "key",
    1,
    ("key", "key_margin", "key_confidence", "key_relative", "key_relation", "key_score"),
    _ask_key,
)
DURATION = Measure("duration", 1, ("duration_s", "duration_error_s"), _ask_duration)
SEAMS = Measure(
    "seams",
    2,
    (
        "seam_score_start",
        "seam_verdict_start",
        "seam_reasons_start",
        "seam_score_end",
        "seam_verdict_end",
        "seam_reasons_end",
    ),
    _ask_seams,
)
UNTOUCHED = Measure(
    "untouched",
    1,
    ("kept_verdict", "kept_snr_db", "kept_mel_db", "kept_chroma"),
    _ask_untouched,
)
EXTENT = Measure("edit-extent", 1, ("edit_extent_error_s",), _ask_extent)

STANDARD: tuple[Measure, ...] = (
    TEMPO,
    KEY,
    LOUDNESS,
    LOUDNESS_RANGE,
    PEAK,
    SILENCE,
    CHANNELS,
    DURATION,
    SEAMS,
    UNTOUCHED,
    EXTENT,
)
