"""Does the rule compiler word ideas as its table says?"""

import pytest

from workbench.errors import RequestError
from workbench.server import RuleCompiler
from workbench.words import is_instrumental, parse_lyrics


def test_genres_give_tempo_and_instruments() -> None:
    for prompt, bpm in (
        ("chill lo-fi hip hop beats to study to", 78),
        ("drum and bass banger", 174),
        ("upbeat electronic dance music", 124),
        ("a waltz for autumn", 100),
        ("something with kazoo", None),
        ("fast jazz, 200 BPM", 200),
    ):
        compiled = RuleCompiler().compile(prompt, duration_s=30, instrumental=False)
        assert compiled.bpm == bpm, prompt
        assert compiled.prompt.startswith(prompt)


def test_lyrics_fit_the_length_and_the_mode() -> None:
    for duration_s, sections in ((10, 1), (60, 3), (300, 15)):
        sung = RuleCompiler().compile("rainy city", duration_s=duration_s, instrumental=False)
        assert len(parse_lyrics(sung.lyrics)) == sections
        assert all(section.lines for section in parse_lyrics(sung.lyrics))
        assert "rainy city" in sung.lyrics
    played = RuleCompiler().compile("rainy city", duration_s=60, instrumental=True)
    assert played.mode == "instrumental"
    assert not any(section.lines for section in parse_lyrics(played.lyrics))
    assert not is_instrumental(played.lyrics), "it has a structure, not just [inst]"
    words = RuleCompiler().compile("???", duration_s=20, instrumental=False)
    assert words.lyrics.startswith("[Verse]\nla la la")


def test_it_is_deterministic_and_refuses_two_tempi() -> None:
    one, other = (
        RuleCompiler().compile("jazz piano", duration_s=45, instrumental=False) for _ in range(2)
    )
    assert one == other
    with pytest.raises(RequestError, match="2 tempi"):
        RuleCompiler().compile("70 BPM, 90 BPM", duration_s=45, instrumental=False)
