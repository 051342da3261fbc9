"""The words of a request: tags, tempo in tags, lyrics with their sections, key names.

Text is data: nothing here interprets markup, and hostile strings pass through as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import NamedTuple

from workbench.errors import RequestError

TEMPO_IN_TAG = re.compile(r"(?<![\d.])(\d{2,3}(?:\.\d+)?)\s*-?\s*bpm\b", re.IGNORECASE)
_MARKER = re.compile(r"^\s*\[([^\[\]\n]{1,60})\]\s*$")
_INSTRUMENTAL = {"inst", "instrumental"}
_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_KEY = re.compile(
    r"([A-Ga-g])\s*(#{1,2}|♯|b|♭|-?sharp|-?flat)?\s*-?\s*(major|maj|minor|min|m)?", re.IGNORECASE
)
PITCH_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


def parse_tags(text: str) -> tuple[str, ...]:
    """Comma-separated tags, trimmed, blanks dropped, order and case kept.

    A tag that repeats an earlier one (case aside) is dropped.

    Examples
    --------
    >>> parse_tags(" Lo-Fi hip-hop,rhodes ,, LO-FI  HIP-HOP")
    ('Lo-Fi hip-hop', 'rhodes')
    """
    kept: dict[str, str] = {}
    for part in text.split(","):
        tag = " ".join(part.split())
        if tag:
            kept.setdefault(tag.casefold(), tag)
    return tuple(kept.values())


def same_tags(one: str, other: str) -> bool:
    """Whether two tag texts name the same tags in the same order, case aside.

    Examples
    --------
    >>> same_tags("Jazz, Piano", "jazz,piano")
    True
    """
    return [t.casefold() for t in parse_tags(one)] == [t.casefold() for t in parse_tags(other)]


def tempo_in_tags(text: str) -> float | None:
    """Tempo named in the tags, in beats per minute, or None.

    Raises
    ------
    RequestError
        If the tags name two different tempi.

    Examples
    --------
    >>> tempo_in_tags("rhodes piano, 75 BPM"), tempo_in_tags("house, 124bpm"), tempo_in_tags("jazz")
    (75.0, 124.0, None)
    """
    found = {float(number) for number in TEMPO_IN_TAG.findall(text)}
    if len(found) > 1:
        raise RequestError(f"the tags name {len(found)} tempi ({sorted(found)}): keep one.")
    return found.pop() if found else None


def without_tempo(tags: Sequence[str]) -> tuple[str, ...]:
    """The tags less those that only name a tempo.

    Examples
    --------
    >>> without_tempo(("jazz", "75 BPM"))
    ('jazz',)
    """
    return tuple(tag for tag in tags if not TEMPO_IN_TAG.fullmatch(tag))


class Section(NamedTuple):
    """One part of the lyrics: its marker without brackets ("" before any), and its lines."""

    name: str
    lines: tuple[str, ...]


def parse_lyrics(text: str) -> tuple[Section, ...]:
    """Split lyrics at markers such as ``[Verse]`` that stand alone on a line.

    Examples
    --------
    >>> parse_lyrics("[Verse]\\nla la\\n\\n[Chorus]\\nhey")
    (Section(name='Verse', lines=('la la',)), Section(name='Chorus', lines=('hey',)))
    """
    name: str = ""
    lines: list[str] = []
    sections: list[Section] = []
    for line in [*text.splitlines(), None]:
        marker = _MARKER.match(line) if line is not None else None
        if line is None or marker:
            if name or lines:
                sections.append(Section(name, tuple(lines)))
            name, lines = (marker[1].strip() if marker else ""), []
        elif line.strip():
            lines.append(line.strip())
    return tuple(sections)


def is_instrumental(lyrics: str) -> bool:
    """Whether the lyrics are just ``[inst]`` or ``[instrumental]``.

    Blank lyrics are not: some models then write words of their own.

    Examples
    --------
    >>> is_instrumental("[Inst]"), is_instrumental(""), is_instrumental("[inst]\\nla")
    (True, False, False)
    """
    sections = parse_lyrics(lyrics)
    return bool(sections) and all(
        s.name.casefold() in _INSTRUMENTAL and not s.lines for s in sections
    )


class KeyName(NamedTuple):
    """A musical key: `tonic` 0..11 (C = 0) and `mode` "major" or "minor"."""

    tonic: int
    mode: str

    def __str__(self) -> str:
        return f"{PITCH_NAMES[self.tonic]} {self.mode}"


def parse_key(text: str) -> KeyName:
    """Read a key name; a bare letter is major.

    Raises
    ------
    RequestError
        If the text is no key.

    Examples
    --------
    >>> [str(parse_key(t)) for t in ("C# minor", "Db major", "Am", "f♯ Minor", "Bb")]
    ['C# minor', 'C# major', 'A minor', 'F# minor', 'Bb major']
    """
    found = _KEY.fullmatch(text.strip())
    if not found:
        raise RequestError(f"{text!r} is no key: write for example 'C minor' or 'F# major'.")
    letter, accidental, mode = found[1], (found[2] or "").casefold(), found[3] or "major"
    sharp = accidental in {"#", "♯", "sharp", "-sharp"}
    flat = accidental in {"b", "♭", "flat", "-flat"}
    tonic = _LETTERS[letter.upper()] + sharp - flat + 2 * (accidental == "##")
    # "M" is major and "m" is minor; the words are told by their first two letters.
    minor = mode == "m" or mode.casefold().startswith("mi")
    return KeyName(tonic % 12, "minor" if minor else "major")


def combine(*choices: Iterable[str]) -> tuple[str, ...]:
    """Every combination that takes one entry of each list, as tag texts.

    Examples
    --------
    >>> combine(["jazz", "house"], ["piano", "guitar"])
    ('jazz, piano', 'jazz, guitar', 'house, piano', 'house, guitar')
    """
    texts: list[str] = [""]
    for choice in choices:
        entries = list(choice)
        texts = [f"{text}, {entry}" if text else entry for text in texts for entry in entries]
    return tuple(texts)


def swap(text: str, tag: str, others: Iterable[str]) -> tuple[str, ...]:
    """The tags as they are, then with `tag` replaced by each of `others`.

    Raises
    ------
    RequestError
        If `tag` is not among the tags.

    Examples
    --------
    >>> swap("jazz, piano", "piano", ["guitar"])
    ('jazz, piano', 'jazz, guitar')
    """
    tags = parse_tags(text)
    if tag.casefold() not in [t.casefold() for t in tags]:
        raise RequestError(f"there is no tag {tag!r} to swap in {text!r}.")
    swapped = [
        ", ".join(other if t.casefold() == tag.casefold() else t for t in tags) for other in others
    ]
    return (", ".join(tags), *swapped)


def ablate(text: str) -> tuple[str, ...]:
    """The tags as they are, then each time with one of them left out.

    Examples
    --------
    >>> ablate("jazz, piano, slow")
    ('jazz, piano, slow', 'piano, slow', 'jazz, slow', 'jazz, piano')
    """
    tags = parse_tags(text)
    fewer = combinations(reversed(tags), len(tags) - 1) if len(tags) > 1 else []
    return (", ".join(tags), *(", ".join(reversed(kept)) for kept in fewer))
