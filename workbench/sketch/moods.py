"""How does a word that is no genre change the music? Each mood is one change of a `Genre`.

A mood has a canonical name, the words that mean it, and the change it makes. Order matters only
where two moods set the same thing: the later in this table wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from workbench.sketch.genre import Genre, Patterns

Change = Callable[[Genre], Genre]

_QUARTERS: Patterns = ("x---x---x---x---",)


@dataclass(frozen=True)
class Mood:
    """Words with one meaning, what they do to a genre, and that in plain words."""

    words: tuple[str, ...]
    effect: str
    change: Change


def _calm(genre: Genre) -> Genre:
    quieter = {name: genre.gains_db.get(name, 0.0) - 3 for name in genre.drums}
    return replace(genre, energy=genre.energy - 0.08, level_db=genre.level_db - 2, gains_db=quieter)


def _driving(genre: Genre) -> Genre:
    louder = {name: genre.gains_db.get(name, 0.0) + 1.5 for name in genre.drums}
    return replace(genre, energy=genre.energy + 0.15, level_db=genre.level_db + 1, gains_db=louder)


def _no_drums(genre: Genre) -> Genre:
    # Without drums the chords must carry the pulse.
    busy = tuple(p for p in genre.chord_patterns if sum(c not in ".-" for c in p) >= 4)
    return replace(genre, drums={}, duck=0.0, chord_patterns=busy or _QUARTERS)


def _piano_only(genre: Genre) -> Genre:
    bare = _no_drums(genre)
    return replace(bare, chords="piano", pad="", bass="bass_soft", lead="piano", chord_low=55)


def _chords(voice: str, low: int) -> Change:
    return lambda genre: replace(genre, chords=voice, chord_low=low)


def _lead(voice: str) -> Change:
    return lambda genre: replace(genre, lead=voice)


def _pad(voice: str) -> Change:
    return lambda genre: replace(genre, pad=voice)


def _bass(voice: str) -> Change:
    return lambda genre: replace(genre, bass=voice)


def _same(genre: Genre) -> Genre:
    return genre


MOODS: Mapping[str, Mood] = MappingProxyType(
    {
        "calm": Mood(
            (
                "mellow",
                "soft",
                "calm",
                "relaxed",
                "chill",
                "gentle",
                "quiet",
                "low volume",
                "peaceful",
                "soft drums",
                "laid-back",
                "smooth",
                "warm",
            ),
            "plays quieter and thinner",
            _calm,
        ),
        "driving": Mood(
            (
                "driving",
                "energetic",
                "anthemic",
                "uplifting",
                "powerful",
                "aggressive",
                "intense",
                "driving drums",
                "upbeat",
                "heavy",
                "energy",
                "high energy",
                "drums",
            ),
            "plays fuller, drums forward",
            _driving,
        ),
        "breakdown": Mood(
            ("breakdown", "minimal", "sparse", "stripped"),
            "thins the arrangement",
            lambda genre: replace(genre, energy=genre.energy - 0.25),
        ),
        "build": Mood(
            ("build-up", "buildup", "build up", "crescendo", "riser"),
            "grows before each chorus",
            lambda genre: replace(genre, build=True),
        ),
        "fade": Mood(
            ("fade", "fade out", "fade-out", "fade outro", "soft fade"),
            "fades out slowly",
            lambda genre: replace(genre, fade_s=8.0),
        ),
        "loop": Mood(
            ("seamless loop", "loop", "loopable", "looping", "perfect loop"),
            "ends without a fade, so that the start can follow",
            lambda genre: replace(genre, fade_s=0.002),
        ),
        "crackle": Mood(
            ("vinyl crackle", "vinyl", "crackle", "tape hiss", "dusty", "old record"),
            "adds noise",
            lambda genre: replace(genre, crackle=max(0.8, genre.crackle)),
        ),
        "spacious": Mood(
            ("reverb", "dreamy", "spacious", "ethereal", "atmospheric", "echo", "lush"),
            "adds reverberation",
            lambda genre: replace(genre, reverb=min(0.8, genre.reverb + 0.25), reverb_s=2.2),
        ),
        "dark": Mood(
            ("dark", "sad", "melancholic", "melancholy", "moody", "minor", "tense"),
            "prefers a minor key",
            _same,
        ),
        "bright": Mood(
            ("happy", "bright", "cheerful", "joyful", "sunny", "major", "hopeful"),
            "prefers a major key",
            _same,
        ),
        "slow": Mood(("slow", "slow tempo", "downtempo"), "is slower than usual", _same),
        "fast": Mood(("fast", "fast tempo", "uptempo"), "is faster than usual", _same),
        "swung": Mood(("shuffle", "swung", "swing feel"), "swings the off-beats", _same),
        "three": Mood(("3/4", "triple meter"), "counts three beats in a bar", _same),
        "rhodes": Mood(
            ("rhodes", "rhodes piano", "electric piano"), "sets the chords", _chords("rhodes", 57)
        ),
        "piano": Mood(
            ("piano", "grand piano", "keys", "soft piano"), "sets the chords", _chords("piano", 55)
        ),
        "clean guitar": Mood(
            ("electric guitar", "clean guitar", "guitar"),
            "sets the chords",
            _chords("guitar_clean", 52),
        ),
        "nylon guitar": Mood(
            ("nylon guitar", "acoustic guitar", "ukulele", "fingerpicked guitar"),
            "sets the chords",
            _chords("guitar_nylon", 52),
        ),
        "distorted guitar": Mood(
            ("distorted guitar", "heavy guitar", "guitar riff"),
            "sets the chords",
            _chords("guitar_crunch", 40),
        ),
        "organ": Mood(("organ", "hammond", "accordion"), "sets the chords", _chords("organ", 55)),
        "bells": Mood(
            ("bells", "bell", "glockenspiel", "music box"), "sets the chords", _chords("bell", 67)
        ),
        "brass": Mood(("brass", "trumpet", "horns", "trombone"), "sets the lead", _lead("brass")),
        "sax": Mood(("sax", "saxophone"), "sets the lead", _lead("sax")),
        "flute": Mood(("flute", "recorder", "pan flute"), "sets the lead", _lead("flute")),
        "violin": Mood(("violin", "fiddle"), "sets the lead", _lead("violin")),
        "clarinet": Mood(("clarinet", "oboe"), "sets the lead", _lead("clarinet")),
        "mallets": Mood(
            ("vibraphone", "marimba", "xylophone", "mallets"), "sets the lead", _lead("mallet")
        ),
        "synth": Mood(("synth", "synth lead", "synthesizer"), "sets the lead", _lead("saw_lead")),
        "pad": Mood(
            ("ambient pad", "pad", "synth pad", "pads", "choir"), "adds a pad", _pad("pad_air")
        ),
        "strings": Mood(
            ("strings", "orchestra", "string section"), "adds strings", _pad("strings")
        ),
        "sub bass": Mood(("808", "sub bass", "808 bass"), "sets the bass", _bass("bass_808")),
        "upright bass": Mood(
            ("upright bass", "double bass", "acoustic bass"),
            "sets the bass",
            _bass("bass_upright"),
        ),
        "brushes": Mood(
            ("brushes", "brushed drums"),
            "plays the drums with brushes",
            lambda genre: replace(
                genre,
                drums={
                    "brush": ("o...x...o...x.?.", "o.?.x...o...x..."),
                    "kick_soft": ("X.......o.......", "X.....o.X......."),
                    "hat_soft": ("x.o.x.o.x.o.x.o.",),
                },
            ),
        ),
        "no drums": Mood(
            ("no drums", "drumless", "without drums", "beatless", "no percussion"),
            "leaves the drums out",
            _no_drums,
        ),
        "piano only": Mood(
            ("piano only", "solo piano"), "leaves everything but a piano out", _piano_only
        ),
    }
)
"""Every mood by its canonical name."""


def moved(genre: Genre, moods: Iterable[str]) -> Genre:
    """Apply moods to a genre, in the order of the table.

    >>> from workbench.sketch.genres import GENRES
    >>> dict(moved(GENRES["rock"], {"no drums"}).drums)
    {}
    """
    wanted = frozenset(moods)
    for name, mood in MOODS.items():
        if name in wanted:
            genre = mood.change(genre)
    return genre
