"""What each RunComfy model takes: the published schemas, and the request that each input means.

Field names, defaults and ranges are the services' own. A schema says what a field may be; what
holds between fields and the source (a span inside it, 240 s in all) is checked in `plan`.
"""

from __future__ import annotations

import secrets
from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from workbench.errors import RequestError
from workbench.request import (
    SEED_MAX,
    AnyRequest,
    Inpaint,
    Outpaint,
    Request,
    Source,
    Span,
)
from workbench.words import parse_lyrics

TEXT_MAX = 10_000
EDIT_MAX_S = 240.0
# Room for 16 MiB of samples as base64.
_AUDIO_TEXT_MAX = 23 * 2**20

# Text that names at least one tag: something beside blanks and commas.
Prompt = Annotated[str, Field(pattern=r"[^\s,]", max_length=TEXT_MAX)]
Lyrics = Annotated[str, Field(max_length=TEXT_MAX)]
Seed = Annotated[int, Field(ge=-1, le=SEED_MAX, description="-1 draws one.")]
Audio = Annotated[
    str,
    Field(
        pattern=r"^(https?://|data:)",
        max_length=_AUDIO_TEXT_MAX,
        description="HTTPS URL of MP3, WAV or FLAC audio, or the same as a base64 data URI.",
    ),
]


class SourceFile(NamedTuple):
    """Source audio as the server holds it."""

    source: Source
    duration_s: float


class Plan(NamedTuple):
    """What an input comes to: a request, the seconds it is billed for, the file's format."""

    request: AnyRequest
    billed_s: float
    format: str


def drawn(seed: int) -> int:
    """The seed itself, or a fresh one for -1: drawn once, so that a second run sings the same."""
    return seed if seed >= 0 else secrets.randbelow(SEED_MAX + 1)


class Inputs(BaseModel):
    """Base of the inputs: strict types, no unknown fields, no NaN."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    blank_lyrics: ClassVar[str] = ""

    @abstractmethod
    def plan(self, source: SourceFile | None) -> Plan:
        """What is asked of the engine and what is billed.

        Raises
        ------
        RequestError
            If the fields do not fit each other or the source.
        """


class TextToAudio(Inputs):
    """Text to audio. Blank lyrics leave the words to the model."""

    tags: Prompt
    lyrics: Lyrics = ""
    duration: int = Field(60, ge=5, le=240, description="Seconds.")
    seed: Seed = -1

    def plan(self, source: SourceFile | None) -> Plan:
        wish = Request(
            tags=self.tags,
            lyrics=self.lyrics if self.lyrics.strip() else self.blank_lyrics,
            seed=drawn(self.seed),
            duration_s=float(self.duration),
        )
        return Plan(wish, float(self.duration), "wav")


class TextToAudio15(TextToAudio):
    """Text to audio. Blank lyrics mean instrumental."""

    blank_lyrics: ClassVar[str] = "[inst]"


class _Edit(Inputs):
    audio: Audio
    tags: Prompt
    lyrics: Lyrics = ""
    seed: Seed = -1

    def _wishes(self) -> dict[str, Any]:
        return {"tags": self.tags, "lyrics": self.lyrics, "seed": drawn(self.seed)}


_Seconds = Annotated[float, Field(ge=0, le=EDIT_MAX_S, description="Seconds.")]
_Anchor = Literal["start", "end"]


class AudioInpaint(_Edit):
    """Make a span of the source anew; each end counts from the start or the end of the source."""

    start_time: _Seconds = 0.0
    start_time_relative_to: _Anchor = "start"
    end_time: _Seconds = 30.0
    end_time_relative_to: _Anchor = "start"

    def plan(self, source: SourceFile | None) -> Plan:
        assert source is not None, "an edit has a source"
        span = Span(
            start_s=self.start_time,
            start_from=self.start_time_relative_to,
            end_s=self.end_time,
            end_from=self.end_time_relative_to,
        )
        start_s, end_s = span.resolve(source.duration_s)
        if end_s - start_s > EDIT_MAX_S:
            raise RequestError(f"the span is {end_s - start_s:g} s long, {EDIT_MAX_S:g} at most.")
        wish = Inpaint(source=source.source, span=span, **self._wishes())
        return Plan(wish, source.duration_s, "wav")


class AudioOutpaint(_Edit):
    """Add new audio before and after the source."""

    extend_before_duration: _Seconds = 0.0
    extend_after_duration: _Seconds = 30.0

    def plan(self, source: SourceFile | None) -> Plan:
        assert source is not None, "an edit has a source"
        before_s, after_s = self.extend_before_duration, self.extend_after_duration
        total_s = before_s + source.duration_s + after_s
        if total_s > EDIT_MAX_S:
            raise RequestError(
                f"source and extensions come to {total_s:g} s, {EDIT_MAX_S:g} at most."
            )
        wish = Outpaint(source=source.source, before_s=before_s, after_s=after_s, **self._wishes())
        return Plan(wish, total_s, "wav")


class MusicGeneration(Inputs):
    """Music from one text: style first, then lyrics from the first section marker on."""

    prompt: Prompt
    music_length_ms: int = Field(40_000, ge=5_000, le=300_000)
    force_instrumental: bool = False
    output_format: Literal[
        "mp3_standard",
        "mp3_high_quality",
        "wav_16khz",
        "wav_22khz",
        "wav_24khz",
        "wav_cd_quality",
    ] = "mp3_standard"

    def plan(self, source: SourceFile | None) -> Plan:
        style, lyrics = _split(self.prompt)
        duration_s = self.music_length_ms / 1000
        wish = Request(
            tags=style,
            lyrics="[inst]" if self.force_instrumental else lyrics,
            seed=drawn(-1),
            duration_s=duration_s,
        )
        return Plan(wish, duration_s, self.output_format)


def _split(prompt: str) -> tuple[str, str]:
    """Style and lyrics of a prompt that holds both."""
    sections = parse_lyrics(prompt)
    if not any(section.name for section in sections):
        return prompt, ""
    style = ", ".join(line for s in sections if not s.name for line in s.lines)
    sung = ["\n".join([f"[{s.name}]", *s.lines]) for s in sections if s.name]
    return style or "song", "\n".join(sung)
