"""What does each genre play? Data only: patterns, voices, progressions, usual tempo.

Conventions
-----------
A pattern is one bar of sixteenth steps, 16 characters for four beats; in three-beat bars the
first 12 are played. In every pattern ``.`` rests and ``-`` holds the note before it.

- Drums: ``X`` accent, ``x`` hit, ``o`` ghost note, ``?`` ghost note played about every second bar.
- Bass: ``r`` root, ``3`` third, ``5`` fifth, ``8`` octave.
- Chords: ``x`` or ``X`` the whole chord, a digit 0..3 one tone of it (arpeggio).
- Lead: any ``x`` starts a note of the tune.

Several patterns for one voice are alternatives; the seed draws one. Progressions are scale
degrees, one chord per bar, 1 = tonic. Voices are names in `workbench.sketch.voices` and
`workbench.sketch.drums`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

Patterns = tuple[str, ...]

FORM = ("intro", "verse", "chorus", "verse", "chorus", "bridge", "chorus", "outro")
"""The order of sections when the lyrics name none."""

HIT_GAIN = MappingProxyType({"X": 1.0, "x": 0.8, "o": 0.4, "?": 0.4})
"""How loud each drum character is, relative to an accent."""


@dataclass(frozen=True)
class Genre:
    """Everything that makes one genre sound like itself; see the module for the notation.

    `level_db` is the level of the body of the piece relative to full scale (RMS), `swing` the
    share of the beat at which the off-beat eighth falls (0 = straight), `duck` how far the
    kick pushes the chords down (0..1), `reverb` the share of echo (0..1), `crackle`
    the level of vinyl noise (0..1), `sevenths` whether chords have four tones, `chord_low` the
    lowest MIDI note of a chord, `energy` a shift of every section (0 = none), `fade_s` the fade
    at the end, `build` whether sections grow louder before a chorus.
    """

    name: str
    words: tuple[str, ...]
    tempo_bpm: float
    mode: str
    progressions: tuple[tuple[int, ...], ...]
    drums: Mapping[str, Patterns]
    bass: str
    bass_patterns: Patterns
    chords: str
    chord_patterns: Patterns
    lead: str
    lead_patterns: Patterns
    pad: str = ""
    sevenths: bool = False
    meter: int = 4
    swing: float = 0.0
    jitter_ms: float = 2.0
    reverb: float = 0.25
    reverb_s: float = 1.0
    duck: float = 0.0
    crackle: float = 0.0
    level_db: float = -16.0
    chord_low: int = 55
    energy: float = 0.0
    fade_s: float = 1.5
    build: bool = False
    gains_db: Mapping[str, float] = field(default_factory=dict)


_EIGHTHS = "x-x-x-x-x-x-x-x-"
_POP_MAJOR = ((1, 5, 6, 4), (1, 6, 4, 5), (6, 4, 1, 5), (1, 4, 6, 5), (1, 3, 4, 5))
_POP_MINOR = ((1, 6, 3, 7), (1, 7, 6, 7), (1, 4, 6, 7), (1, 3, 7, 4), (1, 6, 4, 7))
_SONG = (
    "x---x-x-x---x---",
    "x-x-x---..x-x-x-",
    "..x-x-x-x---x-x-",
    "x---..x-x-x-x---",
    "x--x--x-x---..x-",
)
_SPARSE = ("x-----------....", "x-------x-------", "....x-------x---", "x-----x---------")
_LIVELY = ("x-xxx-x-x-xxx-x-", "x-x-xxx-x-x-x---", "xxx-x-x-xxx-..x-", "..x-xxx-x-xxx---")

_ALL = (
    Genre(
        name="lo-fi hip-hop",
        words=("lo-fi hip-hop", "lofi hip hop", "lo-fi", "lofi", "chillhop", "chill beats"),
        tempo_bpm=84,
        mode="minor",
        progressions=((1, 4, 7, 3), (1, 6, 4, 5), (4, 5, 1, 1), (1, 3, 6, 4)),
        drums={
            "kick_soft": ("X.....x...X.....", "X......x..X..?..", "X..?...x..x....."),
            "snare_dusty": ("....X.......X...", "....X..?....X..?"),
            "hat_soft": ("x.o.x.o.x.o.x.o.", "x.o.xoo.x.o.x.oo"),
        },
        bass="bass_round",
        bass_patterns=("r-----r---5-----", "r-------r---8-5-", "r---..r-----5---"),
        chords="rhodes",
        chord_patterns=("X-------x-------", "X-----x---------", "X---..x-----x---"),
        lead="mallet",
        lead_patterns=_SPARSE,
        sevenths=True,
        swing=0.58,
        jitter_ms=4,
        chord_low=57,
        reverb=0.22,
        duck=0.25,
        crackle=0.5,
        level_db=-19,
    ),
    Genre(
        name="trap",
        words=("trap", "drill", "hip-hop", "hip hop", "rap", "boom bap", "phonk"),
        tempo_bpm=140,
        mode="minor",
        progressions=((1, 1, 6, 7), (1, 6, 1, 4), (1, 4, 1, 6)),
        drums={
            "kick_sub": ("X.....x...x.....", "X..x......x..x..", "X......x..x....."),
            "clap": ("........X.......",),
            "hat_tick": ("x.x.x.x.x.x.xxxx", "x.xxx.x.x.x.x.xx", "xxx.x.x.x.xxx.x."),
            "hat_open": ("..............?.",),
        },
        bass="bass_808",
        bass_patterns=("r-----r---r-----", "r--r------r--8--", "r---------5-----"),
        chords="bell",
        chord_patterns=("0---1---2---1---", "0-1---2-----1---", "2---1---0---1---"),
        lead="flute",
        lead_patterns=_SPARSE,
        pad="pad_dark",
        jitter_ms=0.5,
        chord_low=67,
        reverb=0.3,
        level_db=-15,
        gains_db={"bass_808": 3, "bell": 2},
    ),
    Genre(
        name="house",
        words=("deep house", "tech house", "house", "edm", "dance", "club", "garage"),
        tempo_bpm=124,
        mode="minor",
        progressions=((1, 6, 4, 7), (1, 1, 6, 7), (1, 4, 7, 6), (1, 3, 4, 4)),
        drums={
            "kick_house": ("X...X...X...X...",),
            "clap": ("....X.......X...",),
            "hat_open": ("..x...x...x...x.",),
            "shaker": ("xoxoxoxoxoxoxoxo", "o.xoo.xoo.xoo.xo"),
        },
        bass="bass_pluck",
        bass_patterns=("..r...r...r...r.", "..r-..rr..r-..8.", "r..r..r..r..r.8."),
        chords="stab",
        chord_patterns=("..x..x....x..x..", "x..x..x...x.....", "..x...x.x..x..x."),
        lead="saw_lead",
        lead_patterns=_SONG,
        pad="pad_warm",
        sevenths=True,
        jitter_ms=0.3,
        reverb=0.25,
        duck=0.65,
        level_db=-13,
        gains_db={"stab": 4},
    ),
    Genre(
        name="techno",
        words=("minimal techno", "techno", "industrial", "trance", "rave", "acid"),
        tempo_bpm=132,
        mode="minor",
        progressions=((1, 1, 1, 1), (1, 1, 6, 1), (1, 1, 1, 7)),
        drums={
            "kick_hard": ("X...X...X...X...",),
            "hat_tick": ("..X...X...X...X.", "o.X.o.X.o.X.o.X."),
            "rim": ("...x..x....x..x.", "x..x..x.........", "......x..x......"),
            "tom": ("..........?..?..",),
        },
        bass="bass_acid",
        bass_patterns=(".rrr.rrr.rrr.rrr", ".r8r.rr5.r8r.rrr", "..rr..rr..rr..r8"),
        chords="zap",
        chord_patterns=("0..1..0..1..0.1.", "0.1.0..2.0.1.2..", "...0..1....0..2."),
        lead="zap",
        lead_patterns=_SPARSE,
        pad="pad_dark",
        jitter_ms=0.2,
        chord_low=60,
        reverb=0.3,
        reverb_s=1.6,
        duck=0.5,
        level_db=-12,
        gains_db={"zap": 5},
    ),
    Genre(
        name="drum and bass",
        words=("drum and bass", "drum & bass", "drum n bass", "drum'n'bass", "dnb", "jungle"),
        tempo_bpm=174,
        mode="minor",
        progressions=((1, 6, 7, 1), (1, 1, 6, 7), (1, 3, 6, 4)),
        drums={
            "kick_punch": ("X.........X.....", "X.....x...X.....", "X..?......X....."),
            "snare_tight": ("....X..o.o..X..o", "....X.......X...", "....X..o....X.o."),
            "hat_tick": ("x.x.x.x.x.x.x.x.", "x.xox.x.x.xox.x."),
            "ride": ("x...x...x...x...",),
        },
        bass="bass_reese",
        bass_patterns=("r-----------5---", "r-----r-----8---", "r---------r-r---"),
        chords="pad_warm",
        chord_patterns=("X---------------",),
        lead="saw_lead",
        lead_patterns=_SPARSE,
        jitter_ms=0.8,
        reverb=0.25,
        level_db=-12,
    ),
    Genre(
        name="dubstep",
        words=("dubstep", "brostep", "wobble", "bass music", "riddim"),
        tempo_bpm=140,
        mode="minor",
        progressions=((1, 1, 6, 7), (1, 1, 4, 6), (1, 6, 1, 7)),
        drums={
            "kick_hard": ("X.........x.....", "X.....x.........", "X..x......x....."),
            "snare_big": ("........X.......",),
            "hat_soft": ("x...x...x...x...", "x...x...x...x.o."),
        },
        bass="bass_wobble",
        bass_patterns=("r---r---r---r---", "r---r-r-r-------", "r-------r-r-r---"),
        chords="pad_dark",
        chord_patterns=("X---------------",),
        lead="zap",
        lead_patterns=_SPARSE,
        jitter_ms=0.3,
        reverb=0.25,
        level_db=-11,
        gains_db={"bass_wobble": 4, "pad_dark": 4},
    ),
    Genre(
        name="rock",
        words=("hard rock", "punk rock", "rock", "punk", "metal", "grunge", "heavy metal"),
        tempo_bpm=128,
        mode="minor",
        progressions=((1, 7, 6, 7), (1, 6, 7, 1), (1, 4, 7, 3), (1, 3, 7, 6)),
        drums={
            "kick_rock": ("X.....x.X.......", "X.x.....X.x.....", "X.......x.x....."),
            "snare_rock": ("....X.......X...",),
            "ride": ("x.x.x.x.x.x.x.x.",),
        },
        bass="bass_pick",
        bass_patterns=("r-r-r-r-r-r-r-r-", "r-r-r-r-r-r-5-5-"),
        chords="guitar_crunch",
        chord_patterns=("X-x-x-x-X-x-x-x-", "X---x-x-..x-x-x-", "X-x---x-x---x-x-"),
        lead="guitar_lead",
        lead_patterns=_SONG,
        jitter_ms=3,
        chord_low=40,
        reverb=0.18,
        level_db=-12,
    ),
    Genre(
        name="indie pop",
        words=("indie pop", "indie rock", "indie", "britpop", "dream pop", "shoegaze"),
        tempo_bpm=118,
        mode="major",
        progressions=_POP_MAJOR,
        drums={
            "kick_rock": ("X.....x.X.......", "X..x....X..x....", "X.......X.x....."),
            "snare_rock": ("....X.......X...",),
            "hat_soft": ("x.x.x.x.x.x.x.x.", "x.o.x.o.x.o.x.oo"),
            "shaker": ("o.x.o.x.o.x.o.x.",),
        },
        bass="bass_pick",
        bass_patterns=("r-r-r-r-r-r-r-r-", "r---r-r-r---r-5-"),
        chords="guitar_clean",
        chord_patterns=("0-1-2-1-3-1-2-1-", "X--x--x-X--x--x-", "0-2-1-2-0-2-3-2-"),
        lead="square_lead",
        lead_patterns=_SONG,
        pad="pad_warm",
        jitter_ms=3,
        chord_low=55,
        reverb=0.3,
        level_db=-15,
    ),
    Genre(
        name="pop",
        words=("electropop", "k-pop", "j-pop", "pop ballad", "pop"),
        tempo_bpm=110,
        mode="major",
        progressions=_POP_MAJOR,
        drums={
            "kick_house": ("X...X...X...X...", "X.....x.X...x..."),
            "clap": ("....X.......X...",),
            "hat_tick": ("x.x.x.x.x.x.x.x.",),
        },
        bass="bass_round",
        bass_patterns=("r-r-r-r-r-r-r-r-", "r--r--r-r--r--8-"),
        chords="piano",
        chord_patterns=("X---x---x---x---", "X--x--x-x--x--x-"),
        lead="saw_lead",
        lead_patterns=_SONG,
        pad="supersaw",
        jitter_ms=1.5,
        reverb=0.25,
        duck=0.3,
        level_db=-13,
    ),
    Genre(
        name="jazz",
        words=("smooth jazz", "jazz", "swing", "bebop", "big band", "blues"),
        tempo_bpm=136,
        mode="major",
        progressions=((2, 5, 1, 6), (1, 6, 2, 5), (3, 6, 2, 5), (1, 4, 2, 5)),
        drums={
            "ride": ("X...x.x.X...x.x.", "X...x.x.X.x.x.x."),
            "hat_pedal": ("....x.......x...",),
            "brush": ("o...x...o...x...", "o.?.x...o...x.?."),
            "kick_soft": ("o...o...o...o...",),
        },
        bass="bass_upright",
        bass_patterns=("r---3---5---3---", "r---5---8---5---", "r---3---5---8---"),
        chords="piano",
        chord_patterns=("X--...x---......", "......x-....x---", "X-....x-......x-"),
        lead="sax",
        lead_patterns=_LIVELY,
        sevenths=True,
        swing=0.66,
        jitter_ms=4,
        reverb=0.2,
        level_db=-19,
    ),
    Genre(
        name="ambient",
        words=("dark ambient", "ambient", "drone", "meditation", "new age", "soundscape"),
        tempo_bpm=72,
        mode="major",
        progressions=((1, 4, 1, 5), (1, 6, 4, 4), (1, 3, 4, 1)),
        drums={},
        bass="bass_soft",
        bass_patterns=("r-------r-------", "r---------------"),
        chords="glass",
        chord_patterns=("0---1---2---1---", "0---2---1---3---", "0-1-2---3---1---"),
        lead="flute",
        lead_patterns=("x-----------....", "........x-------"),
        pad="pad_air",
        sevenths=True,
        jitter_ms=3,
        chord_low=64,
        reverb=0.7,
        reverb_s=2.6,
        level_db=-20.5,
        gains_db={"flute": -4},
    ),
    Genre(
        name="cinematic",
        words=("cinematic", "orchestral", "classical", "epic", "soundtrack", "film score"),
        tempo_bpm=96,
        mode="minor",
        progressions=((1, 6, 3, 7), (1, 4, 6, 5), (1, 6, 4, 5), (1, 3, 6, 7)),
        drums={
            "timpani": ("X.......x.......", "X...........x.x.", "X...x...x...x..."),
            "cymbal": ("?...............",),
        },
        bass="cello",
        bass_patterns=("r---r---r---r---", "r-r-r-r-r-r-r-r-", "r-------r-------"),
        chords="spiccato",
        chord_patterns=("X.x.x.x.X.x.x.x.", "0.1.2.1.0.1.2.1.", "X...x.x.X...x.x."),
        lead="violin",
        lead_patterns=("x-----x-x-------", "x-------x---x---", "x---x---x-------"),
        pad="strings",
        jitter_ms=3,
        reverb=0.5,
        reverb_s=2.0,
        level_db=-18,
        gains_db={"timpani": -2, "spiccato": 3},
    ),
    Genre(
        name="folk",
        words=("country", "folk", "americana", "bluegrass", "acoustic", "singer-songwriter"),
        tempo_bpm=104,
        mode="major",
        progressions=((1, 4, 1, 5), (1, 5, 4, 1), (1, 4, 5, 1), (1, 6, 4, 5)),
        drums={
            "shaker": ("x.o.x.o.x.o.x.o.", "xoo.xoo.xoo.xoo."),
            "stomp": ("X.......x.......", "X.......x.....?."),
            "brush": ("....x.......x...",),
        },
        bass="bass_upright",
        bass_patterns=("r-------5-------", "r---....5---....", "r-----r-5-------"),
        chords="guitar_nylon",
        chord_patterns=("0...X...1...X...", "X...X.x.X...X.x.", "0-2-1-3-0-2-1-3-"),
        lead="fiddle",
        lead_patterns=_SONG,
        jitter_ms=4,
        chord_low=50,
        reverb=0.15,
        level_db=-18,
        gains_db={"fiddle": -3},
    ),
    Genre(
        name="reggae",
        words=("reggae", "dub", "ska", "dancehall", "reggaeton"),
        tempo_bpm=76,
        mode="minor",
        progressions=((1, 4, 1, 4), (1, 7, 6, 7), (1, 4, 7, 1), (1, 6, 7, 1)),
        drums={
            "kick_soft": ("o.......X.......", "o...o...X...o..."),
            "rim": ("........X.......", "o.......X.....?."),
            "hat_soft": ("x.o.x.o.x.o.x.o.", "xoo.xoo.xoo.xoo."),
        },
        bass="bass_deep",
        bass_patterns=("r---r-3-5-----..", "r-r---..5-3-r---", "r-----5-r-r-3---"),
        chords="skank",
        chord_patterns=("....x.......x...", "....x.x.....x.x."),
        lead="organ",
        lead_patterns=_SPARSE,
        jitter_ms=3,
        reverb=0.3,
        level_db=-16,
        gains_db={"bass_deep": 3, "skank": 5},
    ),
    Genre(
        name="funk",
        words=("funk", "disco", "nu-disco", "soul", "motown", "r&b", "groove"),
        tempo_bpm=114,
        mode="minor",
        progressions=((1, 4, 1, 4), (1, 1, 4, 4), (1, 7, 4, 1), (1, 4, 7, 3)),
        drums={
            "kick_house": ("X...X...X...X...", "X..x..x.X..x....", "X.....x..xX....."),
            "snare_tight": ("....X..o.o..X...", "....X..o....X..o"),
            "hat_tick": ("xoxoxoxoxoxoxoxo", "xxoxxxoxxxoxxxox"),
            "hat_open": ("..............x.", "..x...x...x...x."),
            "conga": ("..x..ox...x..oxo", "x..x..x...xx..x."),
        },
        bass="bass_slap",
        bass_patterns=("r..r..8.r..r.8.5", "r.8.r.8.r.8.r.8.", "r..8..r.5..3..r."),
        chords="guitar_scratch",
        chord_patterns=("x.xxx.x.x.xxx.x.", "..x.x.xx..x.x.xx", "x..x..x.x..x..xx"),
        lead="brass",
        lead_patterns=("x.x...x.....x.x.", "..x.x.......x-x-", "x-x.....x-x.x---"),
        sevenths=True,
        jitter_ms=2,
        chord_low=60,
        reverb=0.14,
        level_db=-14,
        gains_db={"guitar_scratch": 5},
    ),
    Genre(
        name="waltz",
        words=("viennese waltz", "waltz", "ballroom", "musette"),
        tempo_bpm=150,
        mode="major",
        meter=3,
        progressions=((1, 1, 5, 5, 5, 5, 1, 1), (1, 6, 2, 5), (1, 4, 5, 1), (1, 1, 4, 5)),
        drums={"brush": ("o...x...x.......",)},
        bass="cello",
        bass_patterns=("r---............", "r-------........"),
        chords="accordion",
        chord_patterns=("....x-..x-......", "....x...x......."),
        lead="clarinet",
        lead_patterns=(
            "x-------x---....",
            "x---x---x---....",
            "x-----x-x-x-....",
            "x-----------....",
        ),
        jitter_ms=3,
        reverb=0.35,
        reverb_s=1.5,
        gains_db={"clarinet": -2},
        level_db=-18,
    ),
    Genre(
        name="bossa nova",
        words=("bossa nova", "bossa", "samba", "latin", "salsa"),
        tempo_bpm=132,
        mode="major",
        progressions=((1, 2, 5, 1), (1, 6, 2, 5), (4, 3, 2, 1)),
        drums={
            "rim": ("x..x..x...x..x..", "x..x..x...x.x..."),
            "kick_soft": ("X.....x.X.....x.",),
            "shaker": ("XooxXooxXooxXoox",),
        },
        bass="bass_upright",
        bass_patterns=("r-----5-5-----r-", "r-----5-r-----5-"),
        chords="guitar_nylon",
        chord_patterns=("x--x--x---x--x--", "x---x-x---x-x---"),
        lead="flute",
        lead_patterns=_SONG,
        sevenths=True,
        jitter_ms=3,
        chord_low=52,
        reverb=0.2,
        level_db=-19,
    ),
    Genre(
        name="synthwave",
        words=("synthwave", "retrowave", "vaporwave", "chiptune", "80s", "synth-pop", "synthpop"),
        tempo_bpm=100,
        mode="minor",
        progressions=_POP_MINOR,
        drums={
            "kick_punch": ("X...X...X...X...", "X.....x.X......."),
            "snare_big": ("....X.......X...",),
            "hat_tick": ("o.x.o.x.o.x.o.x.", "oooooooooooooooo"),
        },
        bass="bass_saw",
        bass_patterns=("rrrrrrrrrrrrrrrr", "rr8rrr8rrr8rrr8r", "r.rrr.rrr.rrr.rr"),
        chords="supersaw",
        chord_patterns=("X---------------", "X-------x-------"),
        lead="square_lead",
        lead_patterns=_SONG,
        jitter_ms=0.3,
        reverb=0.4,
        reverb_s=1.6,
        duck=0.4,
        level_db=-14,
    ),
)

GENRES: Mapping[str, Genre] = MappingProxyType({genre.name: genre for genre in _ALL})
"""Every genre by its name."""
