"""Does the untouched audit say what was done? Prints shares with n and 95 % Wilson intervals.

    python -m workbench.analysis.checks.score_untouched [clips per kind, 18 if not given]

Programmed songs of 24 s with a stretch replaced by the embedded engine, which keeps the rest bit
for bit. What happens to the rest is then known, because it is done here: nothing; a codec; a
gain and a delay; a rendering from the spectrogram with invented phases, which is what a vocoder
does; one second of it replaced as well; all of it replaced. The edges are scored where
the source is pasted back and where all is rendered again, against spans asked right and wrong.
"""

from __future__ import annotations

import io
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.ndimage
import scipy.signal
import soundfile
import soxr

from workbench.analysis.features import FEATURE_RATE_HZ, FloatArray
from workbench.analysis.products import DoubleArray
from workbench.analysis.rates import Share, share_of
from workbench.analysis.untouched import (
    KeptVerdict,
    Untouched,
    audit_untouched,
    edit_extent,
    splice_back,
)
from workbench.sketch import GENRES, RATE_HZ, Seam, inpaint, plan_from_words, render

_CLIP_S = 24.0
_FIRST_SEED = 90_000
# Set so that a rendering measures like that of a public neural vocoder: SNR under 1 dB, 3 dB mel.
_WINDOW, _PHASE_SMOOTHNESS, _PHASE_RADIANS = 2048, 2.0, 2.5
EXPECTED: dict[str, KeptVerdict] = {
    "pasted back": "identical",
    "Ogg Vorbis": "same waveform",
    "MP3": "same waveform",
    "-1.5 dB, 20 ms late": "same waveform",
    "rendered again": "same music, rendered again",
    "one second replaced": "changed",
    "all replaced": "changed",
}


@dataclass(frozen=True, eq=False)
class Edit:
    """A programmed edit at 22 050 Hz: source, result, and the span that was replaced."""

    source: FloatArray
    edited: FloatArray
    span: tuple[float, float]

    @cached_property
    def rendered_again(self) -> FloatArray:
        """The result as a vocoder would leave it."""
        return rendered_again(self.edited)


def coded_copy(samples: FloatArray, rate_hz: int, container: str) -> FloatArray:
    """A clip after a lossy codec, the same length.

    Parameters
    ----------
    samples : np.ndarray, float32, shape (channels, n)
        A clip.
    rate_hz : int
        Its rate.
    container : str
        "OGG" (Vorbis) or "MP3".

    Returns
    -------
    np.ndarray, float32, shape (channels, n)
        What the codec left of it.

    Examples
    --------
    >>> coded_copy(np.zeros((1, 8000), np.float32), 8000, "OGG").shape
    (1, 8000)
    """
    target = io.BytesIO()
    with soundfile.SoundFile(target, "w", rate_hz, len(samples), format=container) as file:
        # One long write overflows the stack of the Vorbis encoder.
        for start in range(0, samples.shape[1], rate_hz):
            file.write(samples[:, start : start + rate_hz].T)
    target.seek(0)
    decoded = soundfile.read(target, dtype="float32", always_2d=True)[0].T
    copy = np.zeros_like(samples)
    length = min(copy.shape[1], decoded.shape[1])
    copy[:, :length] = decoded[:, :length]
    return copy


def rendered_again(samples: FloatArray, seed: int = 0) -> FloatArray:
    """The same music as another waveform: its spectrogram with other phases.

    Parameters
    ----------
    samples : np.ndarray, float32, shape (channels, n)
        A clip at 22 050 Hz.
    seed : int
        Of the phases.

    Returns
    -------
    np.ndarray, float32, shape (channels, n)
        As loud and as long, with little left of the waveform.

    Examples
    --------
    >>> tone = np.sin(np.arange(22_050) / 9, dtype=np.float32)[np.newaxis]
    >>> rendered_again(tone).shape
    (1, 22050)
    """
    _, _, spectrum = scipy.signal.stft(samples, nperseg=_WINDOW, noverlap=_WINDOW * 3 // 4)
    noise = np.random.default_rng(seed).standard_normal(spectrum.shape[1:], dtype=np.float32)
    # Phases that wander slowly from bin to bin and frame to frame leave the sizes as they are.
    wander = scipy.ndimage.gaussian_filter(noise, _PHASE_SMOOTHNESS)
    turned = spectrum * np.exp(1j * (_PHASE_RADIANS / wander.std()) * wander)
    _, sound = scipy.signal.istft(turned, nperseg=_WINDOW, noverlap=_WINDOW * 3 // 4)
    again: FloatArray = sound[:, : samples.shape[1]].astype(np.float32)
    return again


def programmed_edits(count: int) -> Iterator[Edit]:
    """Songs with 3 to 8 s replaced, one genre after another.

    Parameters
    ----------
    count : int
        How many.

    Yields
    ------
    Edit
        24 s at 22 050 Hz, stereo.

    Examples
    --------
    >>> edit = next(programmed_edits(1))
    >>> edit.source.shape == edit.edited.shape
    True
    """
    rng = np.random.default_rng(_FIRST_SEED)
    for number in range(count):
        genre = list(GENRES)[number % len(GENRES)]
        plans = [
            plan_from_words(
                [genre],
                lyrics_sections=[],
                tempo_bpm=None,
                key=None,
                time_signature=None,
                duration_s=_CLIP_S,
                seed=seed,
                vocal=False,
            )[0]
            for seed in (_FIRST_SEED + number, _FIRST_SEED + 1000 + number)
        ]
        start_s = float(rng.uniform(5, 10))
        span = (start_s, start_s + float(rng.uniform(3, 8)))
        source, _ = render(plans[0])
        edited = inpaint(source, plans[1], *span, Seam())
        # Resampled apart they would differ by a filter's ringing at the edges, so paste again.
        low, low_edited = _low_rate(source), _low_rate(edited)
        yield Edit(low, splice_back(low, low_edited, FEATURE_RATE_HZ, [span]), span)


def _low_rate(samples: FloatArray) -> FloatArray:
    return np.ascontiguousarray(soxr.resample(samples.T, RATE_HZ, FEATURE_RATE_HZ).T)


def _late_and_soft(samples: FloatArray) -> FloatArray:
    delay = round(0.02 * FEATURE_RATE_HZ)
    late = np.pad(samples, ((0, 0), (delay, 0)))[:, : samples.shape[1]]
    return late * np.float32(10 ** (-1.5 / 20))


def _second_replaced(edit: Edit, other: Edit) -> FloatArray:
    changed = edit.edited.copy()
    start = round((edit.span[1] + 1.5) * FEATURE_RATE_HZ)
    changed[:, start : start + FEATURE_RATE_HZ] = other.source[:, start : start + FEATURE_RATE_HZ]
    return changed


def _treatments(edit: Edit, other: Edit) -> dict[str, Callable[[], FloatArray]]:
    return {
        "pasted back": lambda: edit.edited,
        "Ogg Vorbis": lambda: coded_copy(edit.edited, FEATURE_RATE_HZ, "OGG"),
        "MP3": lambda: coded_copy(edit.edited, FEATURE_RATE_HZ, "MP3"),
        "-1.5 dB, 20 ms late": lambda: _late_and_soft(edit.edited),
        "rendered again": lambda: edit.rendered_again,
        "one second replaced": lambda: _second_replaced(edit, other),
        "all replaced": lambda: other.source,
    }


def audits_by_treatment(edits: Sequence[Edit]) -> dict[str, list[Untouched]]:
    """What the audit says of every edit after each treatment of `EXPECTED`."""
    audits: dict[str, list[Untouched]] = {kind: [] for kind in EXPECTED}
    others = [*edits[1:], edits[0]]
    for edit, other in zip(edits, others, strict=True):
        for kind, treat in _treatments(edit, other).items():
            audits[kind].append(audit_untouched(edit.source, treat(), FEATURE_RATE_HZ, [edit.span]))
    return audits


def edge_errors_s(edits: Sequence[Edit]) -> dict[str, DoubleArray]:
    """Errors of the edges that were found, against spans asked right and wrong, by treatment."""
    wrong_by_s = (0.0, 0.0, 0.6, -0.6, 1.2, -1.2)
    treatments: dict[str, Callable[[Edit], FloatArray]] = {
        "pasted back": lambda edit: edit.edited,
        "rendered again": lambda edit: edit.rendered_again,
    }
    found: dict[str, DoubleArray] = {}
    for kind, treat in treatments.items():
        errors_s = []
        for number, edit in enumerate(edits):
            shift_s = wrong_by_s[number % len(wrong_by_s)]
            asked = (edit.span[0] + shift_s, edit.span[1] + shift_s)
            extent = edit_extent(edit.source, treat(edit), FEATURE_RATE_HZ, asked)
            edges = (extent.start_error_s, extent.end_error_s)
            errors_s += [e + shift_s for e in edges if e is not None]
        found[kind] = np.array(errors_s)
    return found


def _verdict_lines(edits: Sequence[Edit]) -> Iterator[str]:
    for kind, found in audits_by_treatment(edits).items():
        verdicts = Counter(audit.verdict for audit in found)
        right = Share(verdicts[EXPECTED[kind]], len(found))
        figures = [(a.kept_snr_db, a.kept_mel_db, a.kept_chroma) for a in found]
        snr_db, mel_db, chroma = np.median(figures, axis=0)
        yield (
            f"{kind}: {EXPECTED[kind]} in {right}; median SNR {snr_db:.1f} dB, "
            f"mel {mel_db:.2f} dB, chroma {chroma:.3f}"
        )
        for verdict, count in (verdicts - Counter({EXPECTED[kind]: len(found)})).items():
            yield f"  but {verdict}: {count}"


def _extent_lines(edits: Sequence[Edit]) -> Iterator[str]:
    for kind, errors_s in edge_errors_s(edits).items():
        sizes_s = np.abs(errors_s)
        yield (
            f"edges, {kind}: within 0.25 s in {share_of(sizes_s <= 0.25)}, "
            f"median error {np.median(sizes_s):.3f} s"
        )


def main(arguments: Sequence[str]) -> None:
    """Print the figures; see the module for the argument."""
    edits = list(programmed_edits(int(arguments[0]) if arguments else 18))
    for lines in (_verdict_lines(edits), _extent_lines(edits)):
        for line in lines:
            sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
