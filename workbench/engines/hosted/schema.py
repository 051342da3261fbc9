"""The published inputs of every hosted model, checked before anything is sent or paid.

Field names, ranges and defaults are the services' own; what spans several fields is checked here
too. Times in seconds unless the name says otherwise. A source's length is not part of an input:
`check_window` and `check_total` take it where it is known.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from workbench.errors import RequestError
from workbench.request import SEED_MAX, Span
from workbench.value import Value

EDIT_MAX_S = 240.0
SOURCE_MAX_S = 3600.0

Anchor = Literal["start", "end"]
Seed = Annotated[int, Field(strict=True, ge=-1, le=SEED_MAX)]
EditTime = Annotated[float, Field(ge=0, le=EDIT_MAX_S)]


class Input(Value):
    """What a model takes; unknown fields are refused."""

    def body(self) -> dict[str, Any]:
        """The JSON to send: every field that is set, blank ones left out."""
        dumped = self.model_dump(mode="json")
        return {name: value for name, value in dumped.items() if value not in (None, "")}


class _Tagged(Input):
    tags: str
    lyrics: str = ""
    seed: Seed = -1

    @field_validator("tags")
    @classmethod
    def _not_blank(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("write at least one tag")
        return text


class TextInput(_Tagged):
    """ACE-Step and ACE-Step 1.5, text to audio.

    Examples
    --------
    >>> TextInput(tags="jazz", duration=30).body()
    {'tags': 'jazz', 'seed': -1, 'duration': 30}
    >>> TextInput(tags="jazz", duration=300)
    Traceback (most recent call last):
    ...
    workbench.errors.RequestError: duration: input should be less than or equal to 240 (got 300).
    """

    duration: int = Field(60, strict=True, ge=5, le=240)


class _Edit(_Tagged):
    audio: str

    @field_validator("audio")
    @classmethod
    def _reachable(cls, where: str) -> str:
        if not where.startswith(("https://", "data:audio/")):
            raise ValueError("give a public https address or a data URI of audio")
        return where


class InpaintInput(_Edit):
    """ACE-Step audio-inpaint: make a span anew, each end counted from the start or the end."""

    start_time: EditTime = 0.0
    start_time_relative_to: Anchor = "start"
    end_time: EditTime = 30.0
    end_time_relative_to: Anchor = "start"

    def model_post_init(self, _: Any) -> None:
        check_window(self.span, None)

    @property
    def span(self) -> Span:
        """The two ends as our span."""
        return Span(
            start_s=self.start_time,
            end_s=self.end_time,
            start_from=self.start_time_relative_to,
            end_from=self.end_time_relative_to,
        )


class OutpaintInput(_Edit):
    """ACE-Step audio-outpaint: new audio before and after a source."""

    extend_before_duration: EditTime = 0.0
    extend_after_duration: EditTime = 30.0

    def model_post_init(self, _: Any) -> None:
        if self.extend_before_duration + self.extend_after_duration == 0:
            raise RequestError("an outpaint adds something: extend before or after by more than 0.")


class ElevenLabsInput(Input):
    """ElevenLabs music generation as RunComfy offers it: no seed."""

    prompt: str = Field(min_length=1)
    music_length_ms: int = Field(40_000, strict=True, ge=5000, le=300_000)
    force_instrumental: bool = False
    output_format: Literal[
        "mp3_standard",
        "mp3_high_quality",
        "wav_16khz",
        "wav_22khz",
        "wav_24khz",
        "wav_cd_quality",
    ] = "mp3_standard"


class SimpleInput(Input):
    """SkyStudio, Simple mode: its compiler writes lyrics and structure from the prompt."""

    prompt: str = Field(min_length=1)
    duration: float = Field(30.0, ge=10, le=300)
    instrumental: bool = False
    format: str | None = None


class CustomInput(SimpleInput):
    """SkyStudio, Custom mode: prompt, lyrics, tempo and language as they are."""

    lyrics: str = ""
    vocal_language: str | None = None
    bpm: float | None = Field(None, ge=30, le=300)
    seed: Seed = -1


RUNCOMFY_INPUTS: dict[str, type[Input]] = {
    "acestep-ai/ace-step/text-to-audio": TextInput,
    "acestep-ai/ace-step-1.5/text-to-audio": TextInput,
    "acestep-ai/ace-step/audio-inpaint": InpaintInput,
    "acestep-ai/ace-step/audio-outpaint": OutpaintInput,
    "elevenlabs/elevenlabs/music-generation": ElevenLabsInput,
}


def check_window(span: Span, source_s: float | None) -> None:
    """Whether a span can be inpainted in a source of this length (None: not known).

    Raises
    ------
    RequestError
        If its ends are out of order or out of the source, if it is longer than 240 s, or if an
        end lies deeper than 240 s inside the source, where the service's times do not reach.

    Examples
    --------
    >>> check_window(Span(start_s=20, end_s=40), 60)
    >>> check_window(Span(start_s=20, end_s=40), 30)
    Traceback (most recent call last):
    ...
    workbench.errors.RequestError: the span runs from 20 s to 40 s, but must lie in order within \
the 30 s of the source.
    """
    if max(span.start_s, span.end_s) > EDIT_MAX_S:
        raise RequestError(
            f"an end of the span lies more than {EDIT_MAX_S:g} s inside the source, where this "
            "service does not reach: count it from the other end, or cut the source."
        )
    same = span.start_from == span.end_from
    backwards = (
        span.start_s >= span.end_s if span.start_from == "start" else (span.start_s <= span.end_s)
    )
    if same and backwards:
        raise RequestError("the span ends before it starts: swap its two ends.")
    if source_s is None:
        return
    check_source_s(source_s)
    start_s, end_s = span.resolve(source_s)
    if end_s - start_s > EDIT_MAX_S:
        raise RequestError(
            f"the span is {end_s - start_s:g} s long, but at most {EDIT_MAX_S:g} s can be made "
            "anew at once: make it shorter."
        )


def check_total(before_s: float, after_s: float, source_s: float | None) -> None:
    """Whether an outpaint's result stays within the 240 s that the model can hold.

    Raises
    ------
    RequestError
        If it does not, or the source is too long.
    """
    if source_s is not None:
        check_source_s(source_s)
    total_s = before_s + after_s + (source_s or 0.0)
    if total_s > EDIT_MAX_S:
        raise RequestError(
            f"source and additions make {total_s:g} s, but the model is made for "
            f"{EDIT_MAX_S:g} s in all: add less, cut the source, or set the option "
            "allow_beyond_240_s."
        )


def check_source_s(source_s: float) -> None:
    """Whether a source is short enough.

    Raises
    ------
    RequestError
        If it is longer than an hour.
    """
    if source_s > SOURCE_MAX_S:
        raise RequestError("the source is longer than 60 minutes: cut it.")
