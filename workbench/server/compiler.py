"""From a one-line idea to what a music model wants: prompt, lyrics with sections, tempo.

SkyStudio's simple mode takes a prompt and nothing else. A compiler expands it before the engine
sees it; any object with `name` and `compile` will do, such as one that asks a language model.
`RuleCompiler` is the embedded one: a table of genres, no model, the same words in, the same out.
Compiling is best effort: what raises or takes too long is left out and the plain wish is used.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from workbench.words import tempo_in_tags

if TYPE_CHECKING:
    from workbench.engines.local.planner import Planner


class Compiled(NamedTuple):
    """What a compiler made of an idea; `bpm` is None where it has no opinion."""

    prompt: str
    lyrics: str
    bpm: float | None
    vocal_language: str
    mode: Literal["instrumental", "vocal"]


class Compiler(Protocol):
    """Expands an idea.

    Attributes
    ----------
    name : str
        Named as `compiler_model` in the reply.
    """

    name: str

    def compile(self, prompt: str, *, duration_s: float, instrumental: bool) -> Compiled:
        """Expand `prompt` for music of this length; may raise anything."""


class _Genre(NamedTuple):
    sign: re.Pattern[str]
    bpm: float
    words: str


def _genre(signs: str, bpm: float, words: str) -> _Genre:
    return _Genre(re.compile(rf"\b(?:{signs})\b", re.IGNORECASE), bpm, words)


# The tempo is the middle of the range that a genre is usually counted at.
_GENRES = (
    _genre("lo-?fi|chill", 78, "warm rhodes, soft drums, vinyl crackle"),
    _genre("drum (?:and|&|n) bass|dnb|jungle", 174, "fast breakbeats, deep sub bass"),
    _genre("house|disco|dance|edm", 124, "four-on-the-floor kick, bright synths"),
    _genre("techno|trance|electronic", 132, "driving kick, pulsing synth bass"),
    _genre("hip[- ]?hop|rap|trap", 90, "punchy drums, round bass"),
    _genre("jazz|swing|bossa", 110, "upright bass, brushed drums, piano"),
    _genre("rock|punk|metal", 140, "electric guitars, live drums"),
    _genre("ambient|drone|sleep", 70, "slow pads, gentle texture"),
    _genre("cinematic|orchestral|film", 80, "strings, gradual lift"),
    _genre("waltz|folk|country", 100, "acoustic guitar, close sound"),
    _genre("pop", 116, "catchy hook, clean mix"),
)
_WORDLESS = re.compile(r"\b(?:instrumental|no vocals|beats|background|soundtrack)\b", re.I)
_SMALL_WORDS = frozenset(
    ["a", "an", "and", "at", "by", "for", "from", "in", "into", "of", "on", "or", "the", "to"]
)
_SECTION_S = 20.0


class RuleCompiler:
    """Expands an idea by a table of genres.

    Examples
    --------
    >>> RuleCompiler().compile("chill lo-fi beats", duration_s=30, instrumental=True)[1:3]
    ('[Intro]\\n[Main Theme]\\n[Outro]', 78)
    """

    name = "rules-1"

    def compile(self, prompt: str, *, duration_s: float, instrumental: bool) -> Compiled:
        """Add the first genre's instruments and tempo, and sections that fit the length.

        Raises
        ------
        RequestError
            If the prompt names two tempi.
        """
        spoken = tempo_in_tags(prompt)
        genre = next((g for g in _GENRES if g.sign.search(prompt)), None)
        wordless = instrumental or bool(_WORDLESS.search(prompt))
        return Compiled(
            f"{prompt.strip()}, {genre.words}" if genre else prompt.strip(),
            _themes(duration_s) if wordless else _verses(prompt, duration_s),
            spoken if spoken is not None else genre and genre.bpm,
            "en",
            "instrumental" if wordless else "vocal",
        )


class PlannerCompiler:
    """Expands an idea by ACE-Step's own planner, a language model on this machine."""

    def __init__(self, planner: Planner) -> None:
        self._planner = planner
        self.name = planner.name

    def compile(self, prompt: str, *, duration_s: float, instrumental: bool) -> Compiled:
        """As the planner words it."""
        found = self._planner.compile(prompt, duration_s=duration_s, instrumental=instrumental)
        return Compiled(found.prompt, found.lyrics, found.bpm, found.vocal_language, found.mode)


def _themes(duration_s: float) -> str:
    count = max(1, round(duration_s / _SECTION_S) - 1)
    middle = ["[Main Theme]" if i % 2 == 0 else "[Variation]" for i in range(count)]
    return "\n".join(["[Intro]", *middle, "[Outro]"])


def _verses(prompt: str, duration_s: float) -> str:
    """Plain sung lines made of the prompt's own words, a verse or chorus per section."""
    words = [w for w in re.findall(r"[^\W\d_]+", prompt) if w.lower() not in _SMALL_WORDS]
    hook = " ".join(words[:4]) or "la la la"
    verse = f"[Verse]\n{hook}, all night long\nSinging to the {words[-1] if words else 'song'}"
    chorus = f"[Chorus]\n{hook}\nOh, {hook}"
    count = max(1, round(duration_s / _SECTION_S))
    return "\n".join(verse if i % 2 == 0 else chorus for i in range(count))
