"""Is the truth true? Beats, downbeats, swing, key, sections and genre, found in the samples."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import butter, sosfilt, stft

from workbench.sketch import GENRES, Plan, Truth, render
from workbench.sketch.drums import drum
from workbench.sketch.genre import Genre
from workbench.sketch.moods import MOODS, moved
from workbench.sketch.plan import SCALES
from workbench.sketch.score import Composer, compose
from workbench.sketch.synth import perform
from workbench.sketch.voices import VOICES, note
from workbench.words import PITCH_NAMES

PlanMaker = Callable[..., Plan]
FRAME_RATE_HZ = 48000 / 256


def onsets(samples: np.ndarray) -> np.ndarray:
    """Rises of the compressed spectrum per frame of 256 samples, bands weighted alike."""
    power = np.abs(stft(samples.mean(axis=0), 48000, nperseg=1024, noverlap=768)[2]) ** 2
    edges = np.unique(np.geomspace(1, power.shape[0], 13).astype(int))
    bands = np.log1p(1e6 * np.add.reduceat(power, edges[:-1], axis=0))
    return np.asarray(np.maximum(0, np.diff(bands, axis=1)).sum(axis=0))


def pulse(rises: np.ndarray, tempi_bpm: np.ndarray) -> np.ndarray:
    """Size of the Fourier transform of the onsets at one, two and four times each tempo."""
    time_s = np.arange(rises.size) / FRAME_RATE_HZ
    centred = rises - rises.mean()
    total = np.zeros(tempi_bpm.size)
    for factor in (1, 2, 4):
        waves = np.exp(-2j * np.pi * factor * np.outer(tempi_bpm / 60, time_s))
        total += np.abs(waves @ centred)
    return total


@pytest.mark.parametrize("genre", GENRES)
def test_tempo_in_the_samples_is_the_tempo_in_the_truth(genre: str, plan_of: PlanMaker) -> None:
    rng = np.random.default_rng(len(genre))
    plan = plan_of(genre, tempo_bpm=float(rng.uniform(70, 170)), duration_s=15.0)
    samples, truth = render(plan)
    around = plan.tempo_bpm * np.linspace(0.92, 1.08, 161)
    found = around[np.argmax(pulse(onsets(samples), around))]
    assert found == pytest.approx(truth.tempo_bpm, rel=0.005)


def low_hits_s(samples: np.ndarray) -> np.ndarray:
    """Where energy below 120 Hz jumps: kicks."""
    low = sosfilt(butter(4, 120, fs=48000, output="sos"), samples.mean(axis=0))
    level = np.sqrt(np.mean(low[: low.size // 240 * 240].reshape(-1, 240) ** 2, axis=1))
    rise = level[3:] - level[:-3]
    peaks = np.flatnonzero((rise[1:-1] > rise[:-2]) & (rise[1:-1] >= rise[2:])) + 1
    return np.asarray((peaks[rise[peaks] > 0.4 * rise.max()] + 1.5) * 0.005)


def test_kicks_fall_on_the_beats_of_the_truth(plan_of: PlanMaker) -> None:
    plan = plan_of("house", tempo_bpm=127.3, duration_s=12.0)
    events, truth = compose(plan, GENRES["house"])
    drums = [event for event in events if not event.pitches]
    samples = perform(drums, GENRES["house"], n=12 * 48000, fade=True)
    heard = low_hits_s(samples)
    gaps_s = [np.abs(heard - beat).min() for beat in truth.beats_s[1:-3]]
    # The level of a 50 Hz tone needs a cycle to rise.
    assert np.median(gaps_s) < 0.03
    assert np.mean(np.array(gaps_s) < 0.035) > 0.9
    # A grid off by a quarter of a beat must not fit.
    wrong = [np.abs(heard - beat - plan.beat_s / 4).min() for beat in truth.beats_s[1:-3]]
    assert np.median(wrong) > 0.06


def test_truth_is_the_exact_grid_and_survives_json(plan_of: PlanMaker) -> None:
    plan = plan_of("waltz", tempo_bpm=143.21, duration_s=30.0)
    _, truth = compose(plan, GENRES["waltz"])
    again = Truth.from_json(json.loads(json.dumps(truth.to_json())))
    assert again.to_json() == truth.to_json()
    assert np.array_equal(truth.beats_s, np.arange(truth.beats_s.size) * 60 / 143.21)
    assert np.array_equal(truth.downbeats_s, truth.beats_s[::3])
    assert (truth.meter, truth.key, truth.genre) == (3, "A major", "waltz")


@pytest.mark.parametrize("genre", ["rock", "waltz"])
def test_bars_of_three_and_four(genre: str, plan_of: PlanMaker) -> None:
    for meter, other in ((3, 4), (4, 3)):
        plan = plan_of(genre, meter=meter, tempo_bpm=120.0, duration_s=24.0)
        rises = onsets(render(plan)[0])
        lag = {m: round(m * plan.beat_s * FRAME_RATE_HZ) for m in (meter, other)}
        likeness = {m: np.corrcoef(rises[:-k], rises[k:])[0, 1] for m, k in lag.items()}
        assert likeness[meter] > likeness[other]


def test_swing_moves_the_offbeats_and_only_them(plan_of: PlanMaker) -> None:
    for swing, share in ((0.0, 0.5), (0.667, 0.667)):
        plan = plan_of("indie pop", swing=swing, tempo_bpm=100.0)
        events, _ = compose(plan, GENRES["indie pop"])
        hats = np.array([e.start_s for e in events if e.voice == "hat_soft"]) / plan.beat_s
        parts = (hats + 0.1) % 1 - 0.1
        assert np.median(parts[parts < 0.2]) == pytest.approx(0, abs=0.02)
        assert np.median(parts[parts > 0.4]) == pytest.approx(share, abs=0.03)


def test_deviations_from_the_grid_are_small_and_zero_mean(plan_of: PlanMaker) -> None:
    plan = plan_of("folk", swing=0.0, duration_s=60.0)
    events, _ = compose(plan, GENRES["folk"])
    steps = np.array([e.start_s for e in events[10:]]) / plan.beat_s * 4
    late_ms = (steps - np.rint(steps)) * plan.beat_s / 4 * 1000
    assert abs(late_ms.mean()) < 0.5
    assert np.abs(late_ms).max() <= 2.5 * GENRES["folk"].jitter_ms + 1e-6


def chroma(samples: np.ndarray) -> np.ndarray:
    """Share of each pitch class in the tonal range, spectral peaks only."""
    hz, _, values = stft(samples.mean(axis=0), 48000, nperseg=8192, noverlap=4096)
    size = np.abs(values).mean(axis=1)
    top = (size[1:-1] > size[:-2]) & (size[1:-1] > size[2:]) & (hz[1:-1] > 190) & (hz[1:-1] < 1800)
    places = np.flatnonzero(top) + 1
    classes = np.rint(12 * np.log2(hz[places] / 440) + 9).astype(int) % 12
    return np.asarray(np.bincount(classes, size[places], 12) / size[places].sum())


@pytest.mark.parametrize("mode", ["major", "minor"])
@pytest.mark.parametrize("tonic", range(12))
def test_all_24_keys(tonic: int, mode: str, plan_of: PlanMaker) -> None:
    plan = plan_of("cinematic", tonic=tonic, mode=mode, duration_s=8.0)
    samples, truth = render(plan)
    shares = chroma(samples)
    inside = [(tonic + step) % 12 for step in SCALES[mode]]
    assert truth.key == f"{PITCH_NAMES[tonic]} {mode}"
    assert shares[inside].sum() > 0.8
    # The key a semitone up shares two tones with this one and must fit badly.
    assert shares[[(pitch + 1) % 12 for pitch in inside]].sum() < 0.6


@pytest.mark.parametrize("genre", GENRES)
def test_every_note_lies_in_the_key(genre: str, plan_of: PlanMaker) -> None:
    plan = plan_of(genre, tonic=6, vocal=True, duration_s=60.0)
    inside = {(6 + step) % 12 for step in SCALES[plan.mode]}
    events, _ = compose(plan, GENRES[genre])
    sounded = {pitch % 12 for event in events for pitch in event.pitches}
    assert sounded <= inside
    assert all(24 <= pitch <= 100 for event in events for pitch in event.pitches)


@pytest.mark.parametrize("tonic", range(12))
def test_tuned_drums_sound_the_tonic_and_others_no_note(tonic: int, plan_of: PlanMaker) -> None:
    events, _ = compose(plan_of("cinematic", tonic=tonic), GENRES["cinematic"])
    timpani = {event.pitches for event in events if event.voice == "timpani"}
    assert [pitch % 12 for (pitch,) in timpani] == [tonic]
    assert all(not event.pitches for event in events if event.voice == "cymbal")
    (pitches,) = timpani
    stroke = drum("timpani", *pitches).mean(axis=0)[4800:]  # the pitch settles in 0.1 s
    size = np.abs(np.fft.rfft(stroke * np.hanning(stroke.size), 1 << 18))
    heard_hz = size.argmax() * 48000 / (1 << 18)
    assert 12 * np.log2(heard_hz / 440) + 69 == pytest.approx(pitches[0], abs=0.2)


def test_songs_of_minor_do_without_their_seventh_chord_in_major(plan_of: PlanMaker) -> None:
    genre = replace(GENRES["house"], progressions=((1, 7, 6, 7),))
    for mode, second in (("minor", 6), ("major", 4)):
        composer = Composer(plan_of("house", mode=mode, duration_s=16.0), genre)
        degrees = [composer.degree(composer.sections[0], bar) for bar in range(4)]
        assert degrees == [0, second, 5, second]


def test_sections_change_density_and_level(plan_of: PlanMaker) -> None:
    form = (("intro", 1.0), ("verse", 1.0), ("chorus", 1.0), ("bridge", 1.0), ("outro", 1.0))
    samples, truth = render(plan_of("rock", sections=form, duration_s=60.0))
    assert [name for name, _, _ in truth.sections] == [name for name, _ in form]
    assert truth.sections[0][1] == 0.0
    assert truth.sections[-1][2] == 60.0
    levels, counts = {}, {}
    events, _ = compose(plan_of("rock", sections=form, duration_s=60.0), GENRES["rock"])
    for name, start_s, end_s in truth.sections:
        assert start_s == pytest.approx(
            round(start_s / truth.downbeats_s[1]) * truth.downbeats_s[1]
        )
        levels[name] = samples[:, int(start_s * 48000) : int(end_s * 48000)].std()
        playing = sum(start_s <= event.start_s < end_s for event in events)
        counts[name] = playing / (end_s - start_s)
    assert levels["intro"] < 0.8 * levels["chorus"]
    assert levels["bridge"] < 0.8 * levels["chorus"]
    assert counts["intro"] < counts["verse"] < counts["chorus"]
    ending = samples[:, -4800:].std()
    assert ending < 0.3 * levels["outro"]


def test_more_sections_than_bars(plan_of: PlanMaker) -> None:
    form = tuple((f"part {k}", 1.0) for k in range(30))
    _, truth = compose(plan_of(sections=form, duration_s=5.0, tempo_bpm=60.0), GENRES["folk"])
    assert 1 <= len(truth.sections) <= 2
    assert truth.sections[-1][2] == 5.0


def test_voice_sings_only_when_asked(plan_of: PlanMaker) -> None:
    for vocal in (False, True):
        events, _ = compose(plan_of("pop", vocal=vocal), GENRES["pop"])
        assert any(event.voice.startswith("vocal") for event in events) is vocal


def test_no_drums_leaves_no_drums(plan_of: PlanMaker) -> None:
    for genre in GENRES.values():
        events, _ = compose(plan_of(genre.name), moved(genre, {"no drums"}))
        assert all(event.pitches for event in events)
        assert events


@pytest.mark.parametrize("mood", MOODS)
def test_every_mood_renders(mood: str, plan_of: PlanMaker) -> None:
    genre: Genre = moved(GENRES["pop"], {mood})
    events, _ = compose(plan_of("pop", moods=frozenset({mood})), genre)
    assert events
    names = {genre.bass, genre.chords, genre.lead, genre.pad or genre.lead}
    assert names <= set(VOICES)


def test_build_grows_before_a_chorus_only(plan_of: PlanMaker) -> None:
    form = (("verse", 1.0), ("chorus", 1.0), ("verse", 1.0))
    plan = plan_of("pop", sections=form, duration_s=48.0)
    growth = {}
    for moods in (frozenset[str](), frozenset({"build"})):
        events, truth = compose(plan, moved(GENRES["pop"], moods))
        pads = [event for event in events if event.voice == "supersaw"]
        growth[bool(moods)] = [
            gains[-1] / gains[0]
            for _, start_s, end_s in truth.sections
            if (gains := [e.gain for e in pads if start_s - 0.02 <= e.start_s < end_s - 0.1])
        ]
    assert growth[True][0] > 1.25 * growth[False][0]
    assert growth[True][2] == pytest.approx(growth[False][2])


@pytest.mark.parametrize("genre", GENRES.values(), ids=GENRES)
def test_patterns_are_whole_bars(genre: Genre) -> None:
    patterns = [*genre.bass_patterns, *genre.chord_patterns, *genre.lead_patterns]
    patterns += [pattern for options in genre.drums.values() for pattern in options]
    assert {len(pattern) for pattern in patterns} == {16}


@pytest.mark.parametrize("name", VOICES)
def test_every_voice_sounds_at_its_pitch(name: str) -> None:
    sound = note(name, (57,), 0.5)
    assert np.isfinite(sound).all()
    assert 0.005 < np.abs(sound).max() < 1.2
    size = np.abs(np.fft.rfft(sound.mean(axis=0) * np.hanning(sound.shape[1]), 1 << 17))
    hz = np.arange(size.size) * 48000 / (1 << 17)
    # Harmonics of A3 (220 Hz); detuned and bell-like voices are allowed a little more.
    near = np.abs(hz / 220 - np.rint(hz / 220)) < 0.05
    at_pitch = (hz > 200) & (hz < 240)
    assert (size[near & (hz > 200)] ** 2).sum() > 0.5 * (size**2).sum()
    assert size[at_pitch].max() > 0.02 * size.max()
