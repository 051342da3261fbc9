"""How fast is the standard set, and how fast are plain library calls that answer the same?

    python experiments/bench-analysis/speed.py [FILE ...]

Without a file, 60 s of stereo at 48 kHz from the embedded engine, as wav and as flac (16 bits).
Prints processor seconds on one thread, best of three, decoding included: of all measures of
`measure.STANDARD` on one decoded clip, and of the plain calls, each of which loads the file
itself as its documentation shows. The plain calls give less (no confidence, no verdicts, no true
momentary loudness), and are warmed up before the clock starts: compiling librosa's numba code is
left out of their time.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import librosa
import numpy as np
import pyloudnorm
import scipy.signal
import soundfile
from rich.console import Console
from rich.table import Table

from workbench.analysis.checks.material import FIRST_SCORING_SEED, sketch_clip
from workbench.clip import Clip
from workbench.measure import STANDARD, Subject

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
_ROUNDS = 3
_CLIP_S = 60.0
# Krumhansl and Kessler's profiles, major and minor.
_PROFILES = (
    (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
)


def tempo(path: Path) -> float:
    """One tempo for the clip."""
    mono, rate_hz = librosa.load(path)
    return float(np.ravel(librosa.beat.beat_track(y=mono, sr=rate_hz)[0])[0])


def tempo_stability(path: Path) -> tuple[float, float]:
    """Deviation and slope of the tempo along the clip."""
    mono, rate_hz = librosa.load(path)
    along_bpm = librosa.feature.tempo(y=mono, sr=rate_hz, aggregate=None)
    slope = np.polyfit(librosa.times_like(along_bpm, sr=rate_hz), along_bpm, 1)[0]
    return float(along_bpm.std() / along_bpm.mean()), float(slope)


def key(path: Path) -> int:
    """Best of 24 keys."""
    mono, rate_hz = librosa.load(path)
    classes = librosa.feature.chroma_cqt(y=mono, sr=rate_hz).mean(axis=1)
    profiles = [np.roll(mode, tonic) for mode in _PROFILES for tonic in range(12)]
    return int(np.argmax([np.corrcoef(profile, classes)[0, 1] for profile in profiles]))


def loudness(path: Path) -> float:
    """Integrated loudness."""
    frames, rate_hz = soundfile.read(path)
    return float(pyloudnorm.Meter(rate_hz).integrated_loudness(frames))


def loudness_range(path: Path) -> float:
    """Loudness range."""
    frames, rate_hz = soundfile.read(path)
    return float(pyloudnorm.Meter(rate_hz).loudness_range(frames))


def peak(path: Path) -> tuple[float, int]:
    """True peak, and samples at the rail."""
    frames, _ = soundfile.read(path)
    true_peak = np.abs(scipy.signal.resample_poly(frames, 4, 1, axis=0)).max()
    return float(true_peak), int((np.abs(frames) >= np.abs(frames).max()).sum())


def silence(path: Path) -> int:
    """Stretches that are not silent."""
    mono, _ = librosa.load(path, sr=None)
    return len(librosa.effects.split(mono))


def channels(path: Path) -> tuple[float, float]:
    """Correlation of the channels, and side over mid."""
    frames, _ = soundfile.read(path)
    left, right = frames.T
    return float(np.corrcoef(left, right)[0, 1]), float((left - right).std() / (left + right).std())


def duration(path: Path) -> float:
    """Length."""
    return float(librosa.get_duration(path=path))


PLAIN: Mapping[str, Callable[[Path], object]] = {
    "tempo": tempo,
    "tempo stability": tempo_stability,
    "key": key,
    "loudness": loudness,
    "loudness range": loudness_range,
    "peak": peak,
    "silence": silence,
    "channels": channels,
    "duration": duration,
}


def standard_set(path: Path) -> None:
    """Decode once and ask every measure."""
    subject = Subject(Clip.read(path))
    for measure in STANDARD:
        measure(subject)


def plain_calls(path: Path) -> None:
    """The same questions, each from the file."""
    for call in PLAIN.values():
        call(path)


def cpu_s(call: Callable[[Path], object], path: Path) -> float:
    """Processor seconds of the best of three calls, after one that does not count."""
    call(path)
    times_s = []
    for _ in range(_ROUNDS):
        began = time.process_time()
        call(path)
        times_s.append(time.process_time() - began)
    return min(times_s)


def our_parts_s(path: Path) -> dict[str, float]:
    """Processor seconds of decoding, then of each measure in its turn: the first that needs a
    shared array pays for it; best of three."""
    rounds: list[dict[str, float]] = []
    for _ in range(_ROUNDS):
        marks = [time.process_time()]
        subject = Subject(Clip.read(path))
        marks.append(time.process_time())
        for measure in STANDARD:
            measure(subject)
            marks.append(time.process_time())
        names = ("decoding", *(measure.name for measure in STANDARD))
        rounds.append(dict(zip(names, np.diff(marks).tolist(), strict=True)))
    return {name: min(each[name] for each in rounds) for name in rounds[0]}


def report(paths: list[Path], console: Console) -> None:
    """One row per file, then where the time goes in the first."""
    table = Table("file", "ours [ms]", "plain calls [ms]", "ratio", "times real time", box=None)
    for path in paths:
        ours_s, plain_s = cpu_s(standard_set, path), cpu_s(plain_calls, path)
        table.add_row(
            path.name,
            f"{1e3 * ours_s:.0f}",
            f"{1e3 * plain_s:.0f}",
            f"{plain_s / ours_s:.1f}",
            f"{librosa.get_duration(path=path) / ours_s:.0f}",
        )
    console.print(table)
    console.print(f"\nWhere the time goes, {paths[0].name}, ms:")
    shown = {
        "ours": our_parts_s(paths[0]),
        "plain": {name: cpu_s(call, paths[0]) for name, call in PLAIN.items()},
    }
    for side, parts in shown.items():
        console.print(side, ", ".join(f"{name} {1e3 * s:.1f}" for name, s in parts.items()))


def main() -> None:
    """Measure the files that are named, or the programmed ones; see the module."""
    if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):
        # Libraries read the number of threads when they load.
        again = [sys.executable, *sys.argv]
        os.execve(sys.executable, again, {**os.environ, **ONE_THREAD})  # noqa: S606
    console = Console(width=180, highlight=False)
    if sys.argv[1:]:
        report(list(map(Path, sys.argv[1:])), console)
        return
    clip = sketch_clip(FIRST_SCORING_SEED, duration_s=_CLIP_S)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"programmed{suffix}" for suffix in (".wav", ".flac")]
        for path in paths:
            Clip(clip.samples, clip.rate_hz).write(path)
        report(paths, console)


if __name__ == "__main__":
    main()
