"""How fast is the standard set, and how fast are plain library calls that answer the same?

    python experiments/bench-analysis/speed.py [FILE ...]

Without a file, 60 s of stereo at 48 kHz from the embedded engine, as wav and as flac (16 bits).
Leaves processor seconds on one thread, three rounds, decoding included: of all measures of
`measure.STANDARD` on one decoded clip, and of the plain calls, each of which loads the file
itself as its documentation shows. The plain calls give less (no confidence, no verdicts, no true
momentary loudness), and are warmed up before the clock starts: compiling librosa's numba code is
left out of their time. What a first clip costs in a fresh process, loading and compiling
included, is measured apart.
"""

from __future__ import annotations

import os
import resource
import subprocess
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

from workbench.analysis.checks.material import FIRST_SCORING_SEED, sketch_clip
from workbench.benchmark import Found, leave
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

_FIRST_CLIP: Mapping[str, str] = {
    "ours": (
        "import sys; from workbench.clip import Clip; from workbench.measure import *\n"
        "subject = Subject(Clip.read(sys.argv[1]))\n"
        "for measure in STANDARD: measure(subject)"
    ),
    "plain": "import sys; from pathlib import Path; import speed\n"
    "speed.plain_calls(Path(sys.argv[1]))",
}


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


def cpu_s(call: Callable[[Path], object], path: Path) -> list[float]:
    """Processor seconds of three calls, after one that does not count."""
    call(path)
    times_s = []
    for _ in range(_ROUNDS):
        began = time.process_time()
        call(path)
        times_s.append(time.process_time() - began)
    return times_s


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


def first_clip_s(side: str, path: Path) -> float:
    """Processor seconds of a fresh process that measures one clip; best of three."""
    times_s = []
    for _ in range(_ROUNDS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-c", _FIRST_CLIP[side], str(path)]
        subprocess.run(command, check=True, cwd=Path(__file__).parent)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times_s.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times_s)


def report(paths: list[Path], console: Console) -> None:
    """What each file takes on either side, then where the time goes in the first."""
    found = []
    for path in paths:
        plain, ours = f"plain calls, {path.name}", f"ours, {path.name}"
        plain_s, ours_s = cpu_s(plain_calls, path), cpu_s(standard_set, path)
        found.append(Found(plain, plain_s, "s, processor"))
        # Ten times faster than the plain calls.
        found.append(Found(ours, ours_s, "s, processor", plain, at_most=min(plain_s) / 10))
        times = [librosa.get_duration(path=path) / each_s for each_s in ours_s]
        found.append(Found(f"pace, {path.name}", times, "times real time", at_least=300))
    leave("analysis", "How fast is the standard set, against plain library calls?", found)
    console.print(f"\nWhere the time goes, {paths[0].name}, ms:")
    shown = {
        "ours": our_parts_s(paths[0]),
        "plain": {name: min(cpu_s(call, paths[0])) for name, call in PLAIN.items()},
    }
    for side, parts in shown.items():
        console.print(side, ", ".join(f"{name} {1e3 * s:.1f}" for name, s in parts.items()))
    first = ", ".join(f"{side} {first_clip_s(side, paths[0]):.2f} s" for side in _FIRST_CLIP)
    console.print(f"\nA first clip in a fresh process: {first}")


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
