"""What we ask an engine for: new music (`Request`), or an edit (`Inpaint`, `Outpaint`).

A request says what is wanted, never how one engine wants to hear it: `carry` decides, in one
place, what travels as a field and what is said as a tag.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field, field_validator

from workbench.clip import Clip, file_duration_s, file_sha256
from workbench.errors import AudioError, RequestError
from workbench.value import Json, Value, digest
from workbench.words import (
    Section,
    is_instrumental,
    parse_key,
    parse_lyrics,
    parse_tags,
    tempo_in_tags,
    without_tempo,
)

SEED_MAX = 2**31 - 1
DURATION_MAX_S = 600.0


class Span(Value):
    """A stretch of time; each end counts seconds from the start or from the end of the audio.

    Examples
    --------
    >>> Span(start_s=15, start_from="end", end_s=0, end_from="end").resolve(60)
    (45.0, 60.0)
    """

    start_s: float = Field(0.0, ge=0)
    end_s: float = Field(30.0, ge=0)
    start_from: Literal["start", "end"] = "start"
    end_from: Literal["start", "end"] = "start"

    def resolve(self, duration_s: float) -> tuple[float, float]:
        """Start and end in seconds from the first sample of audio `duration_s` long.

        Raises
        ------
        RequestError
            Unless 0 <= start < end <= duration_s.
        """
        start = self.start_s if self.start_from == "start" else duration_s - self.start_s
        end = self.end_s if self.end_from == "start" else duration_s - self.end_s
        if not 0 <= start < end <= duration_s:
            raise RequestError(
                f"the span runs from {start:g} s to {end:g} s, but must lie in order within "
                f"the {duration_s:g} s of the source."
            )
        return start, end


class Source(Value):
    """The audio that an edit starts from: a local file known by its content, or an address.

    Build it with `Source.of`. The digest of a local file is its content, wherever it lies.
    """

    sha256: str = ""
    path: str = ""
    url: str = ""

    @classmethod
    def of(cls, where: str | Path) -> Source:
        """A file's path or an http(s) address.

        Raises
        ------
        FileNotFoundError
            If it is a path and there is no such file.
        """
        if str(where).startswith(("https://", "http://")):
            return cls(url=str(where))
        path = Path(where)
        if not path.is_file():
            raise FileNotFoundError(f"there is no source file {path}.")
        return cls(sha256=file_sha256(path), path=str(path.resolve()))

    @property
    def digest(self) -> str:
        """The content's digest for a file, else the address's."""
        return self.sha256 or digest(self.url)

    @property
    def duration_s(self) -> float:
        """Length of a file in seconds, by its header.

        Raises
        ------
        AudioError
            If it is an address or no audio file.
        FileNotFoundError
            If the file is gone.
        """
        if self.url:
            raise AudioError("how long the audio at an address is, is not known here.")
        return file_duration_s(Path(self.path))

    def read(self) -> Clip:
        """The source as a clip.

        Raises
        ------
        AudioError
            If it is an address, or the file changed since the request was made.
        FileNotFoundError
            If the file is gone.
        """
        if self.url:
            raise AudioError("the source is an address: download it and name the file.")
        clip = Clip.read(self.path)
        if file_sha256(Path(self.path)) != self.sha256:
            raise AudioError(
                f"{Path(self.path).name} changed since the edit was asked for: make a new request."
            )
        return clip


class _Wish(Value):
    """What text to audio and edits have in common."""

    tags: str
    lyrics: str = ""
    seed: int = Field(0, ge=-1, le=SEED_MAX)
    tempo_bpm: float | None = Field(None, ge=30, le=300)
    tempo_carrier: Literal["auto", "field", "tag", "both"] = "auto"
    key: str | None = None
    time_signature: Literal[2, 3, 4, 6] | None = None
    language: str | None = Field(None, pattern=r"^[a-z]{2,3}(-[A-Za-z]{2,4})?$")
    options: Mapping[str, str | int | float | bool] = {}

    @field_validator("tags")
    @classmethod
    def _check_tags(cls, text: str) -> str:
        tags = parse_tags(text)
        if not tags:
            raise ValueError("write at least one tag, for example 'lo-fi hip-hop, rhodes piano'")
        tempo_in_tags(text)
        return ", ".join(tags)

    @field_validator("lyrics")
    @classmethod
    def _tidy_lyrics(cls, text: str) -> str:
        return text.replace("\r\n", "\n").strip()

    @field_validator("key")
    @classmethod
    def _check_key(cls, text: str | None) -> str | None:
        return None if text is None else str(parse_key(text))

    def model_post_init(self, _: Any) -> None:
        spoken = tempo_in_tags(self.tags)
        if self.tempo_bpm is not None and spoken not in (None, self.tempo_bpm):
            raise RequestError(
                f"tempo_bpm is {self.tempo_bpm:g} but the tags say {spoken:g} BPM: keep one."
            )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data; fields at their default are left out, an edit's kind is not."""
        data = super().to_json()
        kind = getattr(self, "kind", "text")
        return data if kind == "text" else {"kind": kind, **data}

    @property
    def tag_list(self) -> tuple[str, ...]:
        """The tags one by one."""
        return parse_tags(self.tags)

    @property
    def sections(self) -> tuple[Section, ...]:
        """The lyrics, split at their section markers."""
        return parse_lyrics(self.lyrics)

    @property
    def instrumental(self) -> bool:
        """Whether the lyrics ask for no vocals (``[inst]`` or ``[instrumental]``)."""
        return is_instrumental(self.lyrics)

    @property
    def asked_tempo_bpm(self) -> float | None:
        """The tempo asked for, as a field or among the tags, or None."""
        return self.tempo_bpm if self.tempo_bpm is not None else tempo_in_tags(self.tags)

    @property
    def digest(self) -> str:
        """Stable name of this content: 64 hexadecimal digits."""
        data = self.to_json()
        if "source" in data:
            data["source"] = self.source.digest  # type: ignore[attr-defined]
        return digest([type(self).__name__, data])


class Request(_Wish):
    """Text to audio.

    Parameters
    ----------
    tags : str
        Comma-separated genre, mood and instrument tags; may name a tempo ("75 BPM").
    lyrics : str
        Words with section markers; ``[inst]`` for no vocals.
    seed : int
        -1 lets the engine draw one.
    tempo_bpm : float, optional
        30..300 beats per minute; `tempo_carrier` says how it travels.
    key : str, optional
        Such as "C minor".
    duration_s : float
        Above 0, at most 600 seconds.
    options : mapping
        What only one engine knows, by name; an engine refuses options it does not know.

    Raises
    ------
    RequestError
        If a field is impossible or the tempo field contradicts the tags.

    Examples
    --------
    >>> r = Request(tags="lo-fi, rhodes , 75 BPM", lyrics="[inst]", duration_s=90)
    >>> r.tag_list, r.asked_tempo_bpm, r.instrumental
    (('lo-fi', 'rhodes', '75 BPM'), 75.0, True)
    >>> request_from_json(r.to_json()) == r
    True
    """

    kind: Literal["text"] = "text"
    duration_s: float = Field(60.0, gt=0, le=DURATION_MAX_S)


class Inpaint(_Wish):
    """Make a span of a source anew and leave the rest as it is."""

    kind: Literal["inpaint"] = Field("inpaint", repr=False)
    source: Source
    span: Span = Span()

    @field_validator("source", mode="before")
    @classmethod
    def _locate(cls, source: Any) -> Any:
        return Source.of(source) if isinstance(source, str | Path) else source


class Outpaint(_Wish):
    """Add new audio before and after a source."""

    kind: Literal["outpaint"] = Field("outpaint", repr=False)
    source: Source
    before_s: float = Field(0.0, ge=0, le=DURATION_MAX_S)
    after_s: float = Field(30.0, ge=0, le=DURATION_MAX_S)

    @field_validator("source", mode="before")
    @classmethod
    def _locate(cls, source: Any) -> Any:
        return Source.of(source) if isinstance(source, str | Path) else source

    def model_post_init(self, context: Any) -> None:
        super().model_post_init(context)
        if self.before_s + self.after_s == 0:
            raise RequestError("an outpaint adds something: set before_s or after_s above 0.")


AnyRequest = Request | Inpaint | Outpaint


_KINDS: Mapping[str, type[AnyRequest]] = {
    "text": Request,
    "inpaint": Inpaint,
    "outpaint": Outpaint,
}


def request_from_json(data: Json) -> AnyRequest:
    """Build a request of any kind from JSON data; ``kind`` tells which ("text" if absent).

    Raises
    ------
    RequestError
        If the kind or a field is unknown or impossible.
    """
    kind = data.get("kind", "text")
    if kind not in _KINDS:
        raise RequestError(f"kind: {kind!r} is none of {', '.join(_KINDS)}.")
    return _KINDS[kind].from_json(data)


class Carried(NamedTuple):
    """A request's musical wishes as one engine hears them."""

    tags: str
    tempo_bpm: float | None
    key: str | None
    time_signature: int | None
    language: str | None


def carry(request: AnyRequest, fields: frozenset[str]) -> Carried:
    """Split the wishes into fields that the engine has and tags that say the others.

    Parameters
    ----------
    request : Request, Inpaint or Outpaint
    fields : frozenset of str
        Which of tempo_bpm, key, time_signature and language the engine takes as a field.

    Raises
    ------
    RequestError
        If the tempo must travel as a field and the engine has none.

    Examples
    --------
    >>> wish = Request(tags="jazz", tempo_bpm=90, key="A minor")
    >>> carry(wish, frozenset({"key"}))[:3]
    ('jazz, 90 BPM', None, 'A minor')
    """
    carrier = request.tempo_carrier
    has_tempo = "tempo_bpm" in fields
    if carrier == "auto":
        carrier = "field" if has_tempo else "tag"
    if carrier in {"field", "both"} and not has_tempo and request.asked_tempo_bpm is not None:
        raise RequestError("this engine has no tempo field: set tempo_carrier to 'tag'.")
    spoken = list(without_tempo(request.tag_list) if carrier == "field" else request.tag_list)
    tempo_bpm = request.asked_tempo_bpm
    if tempo_bpm is not None and carrier != "field" and tempo_in_tags(request.tags) is None:
        spoken.append(f"{tempo_bpm:g} BPM")
    said_otherwise = {
        "key": request.key,
        "time_signature": request.time_signature and f"{request.time_signature}/4 time",
        "language": request.language and f"{request.language} vocals",
    }
    spoken += [said for name, said in said_otherwise.items() if said and name not in fields]
    return Carried(
        ", ".join(spoken),
        tempo_bpm if carrier != "tag" else None,
        request.key if "key" in fields else None,
        request.time_signature if "time_signature" in fields else None,
        request.language if "language" in fields else None,
    )
