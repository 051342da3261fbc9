"""Which notes are played when? A `Plan` becomes a list of events and the truth about them.

Everything lies on a grid of sixteenth steps: step s of bar b starts at
`(b * meter + s / 4) * 60 / tempo_bpm`, off-beats moved by swing. Small zero-mean deviations make
it human; kicks have none. Randomness comes from one generator per purpose, keyed by the seed, so
that a change of the tune leaves the drums alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.sketch.drums import TUNED_DRUMS
from workbench.sketch.genre import HIT_GAIN, Genre
from workbench.sketch.plan import SCALES, Plan, Truth
from workbench.sketch.voices import VOICES

STEPS = 4  # steps in a beat

ENERGY: Mapping[str, float] = MappingProxyType(
    {
        "intro": 0.42,
        "verse": 0.7,
        "pre-chorus": 0.78,
        "chorus": 1.0,
        "hook": 1.0,
        "refrain": 1.0,
        "drop": 1.0,
        "build": 0.66,
        "bridge": 0.48,
        "breakdown": 0.4,
        "interlude": 0.55,
        "inst": 0.8,
        "solo": 0.9,
        "outro": 0.55,
    }
)
"""How full a section is, 0..1. Sections with other names are played at `OTHER_ENERGY`."""
OTHER_ENERGY = 0.75

# From which energy on a layer plays.
_ENTRY = MappingProxyType({"bass": 0.45, "lead": 0.62, "kick": 0.5, "snare": 0.55, "extra": 0.75})
_TUNED_DRUMS_LOW = 36
_KICKS = ("kick", "stomp", "timpani")
_SNARES = ("snare", "clap", "rim")
_EXTRAS = ("hat_open", "conga", "tom", "shaker")
_FILLS = ("xxxx", "x.xx", "xx.x", "..xx", "x.x.", ".xxx")
_VOWELS = ("vocal_ah", "vocal_eh", "vocal_oh")


class Event(NamedTuple):
    """One stroke or note. `wet` goes through duck and reverb.

    `pitches` are MIDI notes: none for a drum, unless it is one of `TUNED_DRUMS`.
    """

    start_s: float
    voice: str
    pitches: tuple[int, ...]
    length_s: float
    gain: float
    wet: bool


@dataclass(frozen=True)
class Section:
    """A run of bars with one arrangement."""

    name: str
    first_bar: int
    bars: int
    energy: float


class Hit(NamedTuple):
    """A symbol of a pattern with its step and how many steps it is held."""

    step: int
    symbol: str
    held: int


def generator(plan: Plan, purpose: str) -> np.random.Generator:
    """Randomness for one purpose: the same for the same seed, on every machine."""
    seed = [plan.seed % 2**64, zlib.crc32(purpose.encode())]
    return np.random.Generator(np.random.PCG64(seed))


def sections_of(plan: Plan, genre: Genre) -> list[Section]:
    """Share the bars among the sections by weight; sections that get no bar are left out."""
    total = max(1, int(np.ceil(plan.duration_s / plan.bar_s - 1e-9)))
    weights = np.array([weight for _, weight in plan.sections])
    ends = np.concatenate([[0.0], np.cumsum(weights / weights.sum())]) * total
    # Round to whole phrases where sections are long enough to have them.
    mean_bars = total / len(weights)
    unit = 4 if mean_bars >= 6 else 2 if mean_bars >= 3 else 1
    bars = np.minimum(np.rint(ends / unit).astype(int) * unit, total)
    bars[-1] = total
    return [
        Section(
            name,
            int(first),
            int(last - first),
            float(np.clip(ENERGY.get(name, OTHER_ENERGY) + genre.energy, 0.3, 1.0)),
        )
        for (name, _), first, last in zip(plan.sections, bars[:-1], bars[1:], strict=True)
        if last > first
    ]


def hits(pattern: str, plan: Plan, stride: int = 1) -> list[Hit]:
    """Read one bar of a pattern; a stride of 2 keeps the eighths, 4 the beats."""
    bar = pattern[: plan.meter * STEPS]
    found = []
    for step, symbol in enumerate(bar):
        if symbol in ".-" or step % stride:
            continue
        held = len(bar[step + 1 :]) - len(bar[step + 1 :].lstrip("-")) + 1
        found.append(Hit(step, symbol, max(held, stride)))
    return found


class Composer:
    """Writes one piece: holds what all layers share, and yields their events bar by bar."""

    def __init__(self, plan: Plan, genre: Genre) -> None:
        self.plan = plan
        self.genre = genre
        self.sections = sections_of(plan, genre)
        self.scale = SCALES[plan.mode]
        # Patterns written for the usual tempo would rattle far above it.
        ratio = plan.tempo_bpm / genre.tempo_bpm
        self.stride = 1 if ratio < 1.6 else 2 if ratio < 2.8 else 4
        draw = generator(plan, f"harmony {genre.name}")
        options = genre.progressions
        self.progressions = [options[i] for i in draw.permutation(len(options))[:2]]
        if len(self.progressions) == 1:
            self.progressions *= 2

    def time_s(self, bar: int, step: float) -> float:
        """When a step of a bar falls, swing included."""
        beat, part = divmod(step / STEPS, 1.0)
        late = max(0.5, self.plan.swing)
        part = part * 2 * late if part < 0.5 else late + (part - 0.5) * 2 * (1 - late)
        return (bar * self.plan.meter + beat + part) * self.plan.beat_s

    def length_s(self, steps: float) -> float:
        """How long some steps last."""
        return steps / STEPS * self.plan.beat_s

    def degree(self, section: Section, bar: int) -> int:
        """The chord of a bar as a scale degree from 0; every piece starts and ends at home."""
        last = self.sections[-1]
        if bar == 0 or bar == last.first_bar + last.bars - 1:
            return 0
        high = section.energy >= 0.9 and len(self.sections) > 1
        progression = self.progressions[1 if high else 0]
        number = int(progression[(bar - section.first_bar) % len(progression)])
        # What minor has on its seventh degree major has on its fifth: a major chord that leads
        # home. On the seventh of major stands a diminished one that no such song would use.
        borrowed = (self.genre.mode, self.plan.mode) == ("minor", "major")
        return 4 if borrowed and number == 7 else number - 1

    def pitch(self, degree: int) -> int:
        """MIDI note of a scale degree counted from the tonic above C4."""
        octave, index = divmod(degree, 7)
        return 60 + self.plan.tonic + 12 * octave + self.scale[index]

    def tone(self, degree: int, low: int) -> int:
        """The pitch of a degree moved by octaves into the octave above `low`."""
        return low + (self.pitch(degree) - low) % 12

    def pick(self, patterns: tuple[str, ...], purpose: str) -> str:
        """The seed's choice among alternatives."""
        return patterns[int(generator(self.plan, purpose).integers(len(patterns)))]

    def drums(self) -> Iterator[Event]:
        """Strokes of every drum, with fills at the ends of sections."""
        for name, patterns in self.genre.drums.items():
            draw = generator(self.plan, name)
            pattern = hits(self.pick(patterns, f"pick {name}"), self.plan, self.stride)
            for section in self.sections:
                if not self._drum_plays(name, section):
                    continue
                for bar in range(section.first_bar, section.first_bar + section.bars):
                    fill = self._fill_step(section, bar) if name.startswith(_SNARES) else None
                    for hit in pattern:
                        if hit.symbol == "?" and draw.random() < 0.5:
                            continue
                        if fill is not None and hit.step >= fill:
                            continue
                        yield self._stroke(name, section, bar, hit)
        yield from self._fills()
        yield from self._crashes()

    def _drum_plays(self, name: str, section: Section) -> bool:
        for names, layer in ((_KICKS, "kick"), (_SNARES, "snare"), (_EXTRAS, "extra")):
            if name.startswith(names):
                # A kit made of extras alone is what carries the pulse.
                only = all(other.startswith(_EXTRAS) for other in self.genre.drums)
                return only or section.energy >= _ENTRY[layer]
        return True

    def _stroke(self, name: str, section: Section, bar: int, hit: Hit) -> Event:
        gain = HIT_GAIN[hit.symbol] * (0.7 + 0.3 * section.energy)
        if self.plan.meter == 3 and name.startswith(_KICKS) and hit.step:
            gain *= 0.5  # three-beat bars lean on their first beat
        pitches = (self.tone(0, _TUNED_DRUMS_LOW),) if name in TUNED_DRUMS else ()
        return Event(self.time_s(bar, hit.step), name, pitches, 0.0, gain, wet=False)

    def _fill_step(self, section: Section, bar: int) -> int | None:
        """The step at which the fill of this bar starts, if it has one."""
        last = bar == section.first_bar + section.bars - 1
        if not last or section.bars < 2 or section is self.sections[-1]:
            return None
        return (self.plan.meter - 1) * STEPS

    def _fills(self) -> Iterator[Event]:
        snares = [name for name in self.genre.drums if name.startswith(("snare", "clap"))]
        draw = generator(self.plan, "fills")
        for section in self.sections:
            bar = section.first_bar + section.bars - 1
            start = self._fill_step(section, bar)
            fill = _FILLS[int(draw.integers(len(_FILLS)))]
            if start is None or not snares or section.energy < 0.45:
                continue
            for step in range(0, STEPS, self.stride):
                if fill[step] == "x":
                    rise = 0.45 + 0.15 * step
                    yield Event(self.time_s(bar, start + step), snares[0], (), 0.0, rise, False)

    def _crashes(self) -> Iterator[Event]:
        if not any(name.startswith(("snare", "clap", "timpani")) for name in self.genre.drums):
            return
        for section in self.sections:
            if section.energy >= 0.78:
                start_s = self.time_s(section.first_bar, 0)
                yield Event(start_s, "cymbal", (), 0.0, 0.6 * section.energy, wet=False)

    def bass(self) -> Iterator[Event]:
        """Roots and their company, one pattern for the piece."""
        pattern = hits(self.pick(self.genre.bass_patterns, "bass"), self.plan, self.stride)
        offsets = {"r": (0, 0), "3": (2, 0), "5": (4, 0), "8": (0, 12)}
        for section, bar in self._bars():
            if section.energy < _ENTRY["bass"] and self.genre.drums:
                continue
            root = self.degree(section, bar)
            for hit in pattern:
                degrees, octave = offsets[hit.symbol]
                low = self.tone(root, 31)
                above = (self.pitch(root + degrees) - low) % 12 + octave
                gain = 1.0 if hit.step == 0 else 0.85
                length_s = self.length_s(hit.held) * 0.92
                yield Event(
                    self.time_s(bar, hit.step),
                    self.genre.bass,
                    (low + above,),
                    length_s,
                    gain,
                    False,
                )

    def chord(self, section: Section, bar: int) -> tuple[int, ...]:
        """The tones of a bar's chord, in the inversion nearest to the ones around it."""
        root = self.degree(section, bar)
        low = self.genre.chord_low
        if VOICES[self.genre.chords].drive:
            # Distortion turns thirds to mud: power chords have root, fifth and octave.
            bottom = self.tone(root, low)
            return bottom, bottom + (self.pitch(root + 4) - bottom) % 12, bottom + 12
        degrees = (0, 2, 4, 6) if self.genre.sevenths else (0, 2, 4)
        return tuple(sorted(self.tone(root + step, low) for step in degrees))

    def chords(self) -> Iterator[Event]:
        """Comping or arpeggio, and the pad behind it."""
        pattern = hits(self.pick(self.genre.chord_patterns, "chords"), self.plan, self.stride)
        for section, bar in self._bars():
            chord = self.chord(section, bar)
            loud = 0.75 + 0.25 * section.energy
            loud *= self._swell(section, bar)
            for hit in pattern:
                tones = chord
                if hit.symbol.isdigit():
                    octave, index = divmod(int(hit.symbol), len(chord))
                    tones = (chord[index] + 12 * octave,)
                gain = loud * (1.0 if hit.symbol in "X0" else 0.8)
                start_s, length_s = self.time_s(bar, hit.step), self.length_s(hit.held) * 0.95
                yield Event(start_s, self.genre.chords, tones, length_s, gain, wet=True)
            if self.genre.pad:
                start_s, length_s = self.time_s(bar, 0), self.plan.bar_s
                yield Event(start_s, self.genre.pad, chord, length_s, 0.8 * loud, wet=True)

    def _swell(self, section: Section, bar: int) -> float:
        """The growth of a section that leads to a refrain, where the moods ask for it."""
        after = self.sections[self.sections.index(section) + 1 :]
        if not self.genre.build or not after or after[0].energy < 0.9:
            return 1.0
        return 0.6 + 0.4 * (bar - section.first_bar + 1) / section.bars

    def _bars(self) -> Iterator[tuple[Section, int]]:
        for section in self.sections:
            for bar in range(section.first_bar, section.first_bar + section.bars):
                yield section, bar

    def lead(self) -> Iterator[Event]:
        """The tune: motifs A B A C per kind of section, bent to the chord of the bar."""
        motifs: dict[str, list[list[tuple[Hit, int]]]] = {}
        syllable = 0
        for section, bar in self._bars():
            sung = self.plan.vocal and section.name not in ("intro", "inst", "solo", "interlude")
            if section.energy < (0.45 if sung else _ENTRY["lead"]):
                continue
            if section.name not in motifs:
                motifs[section.name] = self._motifs(section.name)
            turn = (bar - section.first_bar) % 4
            if turn == 3 and section.energy < 0.9 and not sung:
                continue  # outside refrains the tune takes a breath
            for hit, degree in motifs[section.name][(0, 1, 0, 2)[turn]]:
                pitch = self._tune_pitch(section, bar, hit, degree)
                voice = self.genre.lead
                if sung:
                    voice = _VOWELS[syllable % 3]
                    syllable += 1 + (hit.step % 3 == 0)
                length_s = self.length_s(hit.held) * 0.9
                gain = (0.85 + 0.15 * (hit.step % STEPS == 0)) * (0.6 + 0.4 * section.energy)
                yield Event(self.time_s(bar, hit.step), voice, (pitch,), length_s, gain, wet=True)

    def _motifs(self, name: str) -> list[list[tuple[Hit, int]]]:
        """Three one-bar motifs: where notes fall and how the line moves, in scale degrees."""
        draw = generator(self.plan, f"tune {self.genre.name} {name}")
        phrases = []
        # A refrain lies above what leads to it.
        high = ENERGY.get(name, OTHER_ENERGY) >= 0.9
        degree = int(draw.choice([4, 5, 7] if high else [0, 1, 2, 4]))
        for _ in range(3):
            pattern = self.genre.lead_patterns[int(draw.integers(len(self.genre.lead_patterns)))]
            phrase = []
            for hit in hits(pattern, self.plan, self.stride):
                phrase.append((hit, degree))
                degree = int(
                    np.clip(
                        degree + draw.choice([-2, -1, -1, 0, 1, 1, 2]),
                        2 if high else -2,
                        9 if high else 5,
                    )
                )
            phrases.append(phrase)
        return phrases

    def _tune_pitch(self, section: Section, bar: int, hit: Hit, degree: int) -> int:
        root = self.degree(section, bar)
        if hit.step % (2 * STEPS) == 0:
            # Strong beats take the chord tone nearest to the line.
            degree = min(
                (d for d in range(degree - 3, degree + 4) if (d - root) % 7 in (0, 2, 4)),
                key=lambda d: (abs(d - degree), d),
            )
        # The octave is chosen so that tunes of all keys lie around C5.
        return self.pitch(degree) + (0 if self.plan.tonic > 6 else 12)


def _humanised(events: list[Event], plan: Plan, genre: Genre) -> list[Event]:
    """Small deviations of time and loudness; of time zero-mean, and none for kicks."""
    draw = generator(plan, "hands")
    late_s = np.clip(draw.standard_normal(len(events)), -2.5, 2.5) * genre.jitter_ms / 1000
    loud = np.clip(1 + 0.07 * draw.standard_normal(len(events)), 0.75, 1.25)
    late_s[[event.voice.startswith(_KICKS) for event in events]] = 0
    gains = {name: 10 ** (gain_db / 20) for name, gain_db in genre.gains_db.items()}
    return [
        event._replace(
            start_s=max(0.0, event.start_s + late),
            gain=event.gain * force * gains.get(event.voice, 1.0),
        )
        for event, late, force in zip(events, late_s.tolist(), loud.tolist(), strict=True)
    ]


def compose(plan: Plan, genre: Genre) -> tuple[list[Event], Truth]:
    """Write the whole piece.

    Parameters
    ----------
    plan : what is wanted.
    genre : the plan's genre after its moods, see `workbench.sketch.moods.moved`.

    Returns
    -------
    Events that start within the piece, in the order of the layers, and the truth about them.

    Examples
    --------
    >>> from workbench.sketch.genres import GENRES
    >>> plan = Plan("house", 120, 4, 0.0, 9, "minor", (("chorus", 1.0),), 8.0, 0, False)
    >>> events, truth = compose(plan, GENRES["house"])
    >>> truth.downbeats_s.tolist(), truth.sections
    ([0.0, 2.0, 4.0, 6.0], (('chorus', 0.0, 8.0),))
    """
    composer = Composer(plan, genre)
    layers = (composer.drums(), composer.bass(), composer.chords(), composer.lead())
    events = [event for layer in layers for event in layer if event.start_s < plan.duration_s]
    beats = np.arange(np.ceil(plan.duration_s / plan.beat_s - 1e-9), dtype=np.float64)
    beats_s: NDArray[np.float64] = np.asarray(beats * 60.0 / plan.tempo_bpm)
    sections = tuple(
        (
            section.name,
            section.first_bar * plan.bar_s,
            min((section.first_bar + section.bars) * plan.bar_s, plan.duration_s),
        )
        for section in composer.sections
    )
    truth = Truth(
        tempo_bpm=plan.tempo_bpm,
        meter=plan.meter,
        key=plan.key,
        genre=plan.genre,
        swing=plan.swing,
        beats_s=beats_s,
        downbeats_s=beats_s[:: plan.meter],
        sections=sections,
    )
    return _humanised(events, plan, genre), truth
