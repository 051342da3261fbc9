"""What do the tags mean? Words become a `Plan`, and what was not understood becomes notes.

Tags are text from anywhere: they are compared, never interpreted. Each tag is looked up whole,
then word by word; the longest known words win, and the first genre named is played.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from workbench.errors import RequestError
from workbench.sketch.genre import Genre
from workbench.sketch.genres import GENRES
from workbench.sketch.moods import MOODS
from workbench.sketch.plan import DURATION_RANGE_S, TEMPO_RANGE_BPM, Plan
from workbench.words import TEMPO_IN_TAG, KeyName, parse_key

FALLBACK_GENRE = "pop"

FORM = ("intro", "verse", "chorus", "verse", "chorus", "bridge", "chorus", "outro")
"""The order of sections when the lyrics name none."""

# Words that say nothing about the arrangement; voices are the caller's `vocal`.
_SILENT_WORDS = frozenset(
    re.findall(
        r"\S+",
        "vocal vocals voice vocalist singer sung female male no without instrumental inst lyrics "
        "music song track beat beats style vibe feel only bpm and with a the of in",
    )
)
_SECTION_WORDS = ("pre-chorus", *FORM, "hook", "refrain", "drop", "build", "breakdown", "solo",
                  "interlude", "inst")  # fmt: skip
_WEIGHTS = {"intro": 0.5, "outro": 0.5, "bridge": 0.75, "pre-chorus": 0.5, "build": 0.5,
            "interlude": 0.5, "breakdown": 0.75, "drop": 1.0}  # fmt: skip


def _vocabulary() -> dict[str, tuple[str, str]]:
    """Every known phrase with its kind and canonical name."""
    words = {word: ("genre", genre.name) for genre in GENRES.values() for word in genre.words}
    words |= {word: ("mood", name) for name, mood in MOODS.items() for word in mood.words}
    return words


_WORDS = _vocabulary()
_PHRASES = sorted(_WORDS, key=lambda phrase: (-len(phrase), phrase))


def _known_in(tag: str) -> tuple[list[tuple[str, str]], str]:
    """What a tag names, longest phrases first, and the words of it left over."""
    found = []
    rest = f" {tag} "
    for phrase in _PHRASES:
        # "no piano" does not ask for a piano.
        before = r"(?<![\w-])(?<!\bno )(?<!\bwithout )"
        place = re.search(rf"{before}{re.escape(phrase)}(?![\w-])", rest)
        if place:
            found.append((place.start(), _WORDS[phrase]))
            rest = f"{rest[: place.start()]}{' ' * len(phrase)}{rest[place.end() :]}"
    return [meaning for _, meaning in sorted(found)], rest


def _understand(tags: Iterable[str]) -> tuple[list[str], list[str], float | None, list[str]]:
    """Genres and moods in the order they are named, a tempo if one is, and notes."""
    genres: list[str] = []
    moods: list[str] = []
    tempo_bpm = None
    notes: list[str] = []
    for tag in dict.fromkeys(tag.strip() for tag in tags):
        folded = re.sub(r"\s+", " ", tag.casefold())
        tempo = TEMPO_IN_TAG.search(folded)
        if tempo:
            tempo_bpm = tempo_bpm or float(tempo[1])
            folded = TEMPO_IN_TAG.sub("", folded)
        found, rest = _known_in(folded)
        genres += [name for kind, name in found if kind == "genre"]
        for name in (name for kind, name in found if kind == "mood"):
            if name not in moods:
                notes.append(f"tag '{tag}' {MOODS[name].effect}")
            moods.append(name)
        left = [word for word in re.findall(r"[^\s,]+", rest) if word not in _SILENT_WORDS]
        if left and not found and not tempo:
            notes.append(f"tag '{tag}' is not understood and changes nothing")
        elif left:
            notes.append(f"tag '{tag}': not understood: {' '.join(left)}")
    return genres, moods, tempo_bpm, notes


def _tempo(asked: float | None, genre: Genre, moods: Sequence[str]) -> tuple[float, list[str]]:
    if asked is None:
        factor = 0.85 * ("slow" in moods) + 1.15 * ("fast" in moods) or 1.0
        usual = float(round(genre.tempo_bpm * min(factor, 1.15)))
        return usual, [f"tempo not asked: {usual:g} BPM, usual for {genre.name}"]
    played = float(np.clip(asked, *TEMPO_RANGE_BPM))
    if played != asked:
        return played, [f"tempo {asked:g} BPM cannot be played: {played:g} BPM is"]
    return played, []


def _key(
    asked: str | None, genre: Genre, moods: Sequence[str], seed: int
) -> tuple[int, str, list[str]]:
    mode = "minor" if "dark" in moods else "major" if "bright" in moods else genre.mode
    try:
        if asked:
            return *parse_key(asked), []
        why = "key not asked"
    except RequestError:
        why = f"key '{asked}' is not understood"
    tonic = int(np.random.Generator(np.random.PCG64([seed % 2**64, 12])).integers(12))
    return tonic, mode, [f"{why}: {KeyName(tonic, mode)}, drawn by the seed"]


def _meter(asked: int | None, genre: Genre, moods: Sequence[str]) -> tuple[int, list[str]]:
    if asked is None:
        return (3 if "three" in moods else genre.meter), []
    meter = 3 if asked % 3 == 0 else 4
    note = f"{asked} beats in a bar are played as {meter}"
    return meter, [] if asked == meter else [note]


def _sections(names: Sequence[str], duration_s: float) -> tuple[tuple[str, float], ...]:
    """Lyrics sections with their weights; without any, the usual form as far as time allows."""
    if not names:
        # Below about 8 s per section a form is a medley: keep its beginning and its end.
        room = int(np.clip(duration_s / 8, 1, len(FORM)))
        form = {1: ("chorus",), 2: ("verse", "chorus"), 3: ("intro", "verse", "chorus")}
        chosen = form.get(room, (*FORM[: room - 1], "outro"))
        return tuple((name, _WEIGHTS.get(name, 1.0)) for name in chosen)
    plain = []
    for name in names:
        folded = re.sub(r"[^\w-]+", " ", name.casefold()).strip()
        known = next((word for word in _SECTION_WORDS if word in folded), None)
        plain.append(known or folded or "verse")
    return tuple((name, _WEIGHTS.get(name, 1.0)) for name in plain)


def plan_from_words(
    tags: Sequence[str],
    *,
    lyrics_sections: Sequence[str],
    tempo_bpm: float | None,
    key: str | None,
    time_signature: int | None,
    duration_s: float,
    seed: int,
    vocal: bool,
) -> tuple[Plan, tuple[str, ...]]:
    """Decide a piece from what was asked.

    Parameters
    ----------
    tags : words on genre, mood and instruments, any text.
    lyrics_sections : names such as "Verse" or "Chorus 2" in order; none = the usual form.
    tempo_bpm : None = a tempo among the tags, else the genre's usual one; held to 30..300.
    key : such as "A minor", "F#", "Bbm"; None = drawn by the seed.
    time_signature : beats in a bar; None = the genre's.
    duration_s : held to 5..600.
    seed : draws everything that is not asked.
    vocal : whether a voice-like lead sings.

    Returns
    -------
    The plan, and notes in plain words on what was chosen and what was not understood.

    Examples
    --------
    >>> plan, notes = plan_from_words(["lo-fi hip-hop", "brass kazoo"], lyrics_sections=[],
    ...     tempo_bpm=75, key="A minor", time_signature=None, duration_s=10, seed=1, vocal=False)
    >>> plan.genre, plan.tempo_bpm, plan.key
    ('lo-fi hip-hop', 75.0, 'A minor')
    >>> notes
    ("tag 'brass kazoo' sets the lead", "tag 'brass kazoo': not understood: kazoo")
    """
    genres, moods, tagged_bpm, notes = _understand(tags)
    name = genres[0] if genres else FALLBACK_GENRE
    genre = GENRES[name]
    if not genres:
        notes.append(f"no genre among the tags: rendered as {name}")
    for other in dict.fromkeys(genres):
        if other != name:
            notes.append(f"genre '{other}' is not played: one genre at a time, {name} came first")
    played_bpm, tempo_notes = _tempo(tagged_bpm if tempo_bpm is None else tempo_bpm, genre, moods)
    tonic, mode, key_notes = _key(key, genre, moods, seed)
    meter, meter_notes = _meter(time_signature, genre, moods)
    held_s = float(np.clip(duration_s, *DURATION_RANGE_S))
    if held_s != duration_s:
        notes.append(f"duration {duration_s:g} s cannot be played: {held_s:g} s is")
    plan = Plan(
        genre=name,
        tempo_bpm=played_bpm,
        meter=meter,
        swing=0.64 if "swung" in moods else genre.swing,
        tonic=tonic,
        mode=mode,
        sections=_sections(lyrics_sections, held_s),
        duration_s=held_s,
        seed=seed,
        vocal=vocal,
        moods=frozenset(moods),
    )
    return plan, (*notes, *tempo_notes, *key_notes, *meter_notes)
