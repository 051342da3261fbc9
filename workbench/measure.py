"""From a clip and what was asked of it to measurements; one small function per question.

A measure is a pure function of a `Subject`. What cannot be measured is an undefined measurement
with its reason, never a gap. The rulers themselves, and the error of each, live in `analysis`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from workbench.clip import Clip
from workbench.errors import AudioError
from workbench.request import AnyRequest, Outpaint, Request
from workbench.take import Measurement
from workbench.words import parse_key

if TYPE_CHECKING:
    from workbench.analysis.features import Features
    from workbench.analysis.levels import Levels
    from workbench.analysis.loudness import KWeighted
    from workbench.analysis.peaks import Peaks
    from workbench.analysis.pulse import PulseEvidence
    from workbench.analysis.silence import Silence

Values = Mapping[str, float | str | None]


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


@dataclass(frozen=True)
class Measure:
    """A question to a clip: its name, the version of its method, the quantities it gives.

    `ask` returns a value for each name, and raises `AudioError` where the clip cannot be
    measured; a value of None needs an entry in `reasons` or that error.
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
            values, reason = self.ask(subject), "not asked for"
        except AudioError as error:
            values, reason = {}, str(error)
        return tuple(
            Measurement(
                name=name,
                value=values.get(name),
                method=self.method,
                reason=reason if values.get(name) is None else "",
            )
            for name in self.quantities
        )


def _ask_tempo(subject: Subject) -> Values:
    from workbench.analysis import tempo as ruler

    found = ruler.estimate_tempo(subject.features)
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
        "width_db": None if is_mono else ruler.width_db(subject.levels),
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

STANDARD: tuple[Measure, ...] = (
    TEMPO,
    KEY,
    LOUDNESS,
    LOUDNESS_RANGE,
    PEAK,
    SILENCE,
    CHANNELS,
    DURATION,
)
