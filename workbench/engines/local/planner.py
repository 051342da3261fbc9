"""Simple mode: a short idea becomes caption, lyrics, tempo, key, length and language.

ACE-Step 1.5's planner is a causal language model that answers with a block of fields and then the
lyrics. Its fields are asked for one by one: tempo, key, length, language and time signature can
only be values that exist (the tokens that may follow are looked up in a tree of them), what the
user fixed is put in instead of asked for, and caption and lyrics are free text up to a cap. So an
answer always parses, whatever the model says.

Audio codes, the planner's second step, are not made here.

References: the prompts and the order of fields are ACE-Step 1.5's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from workbench.errors import EngineUnavailable, RequestError
from workbench.request import Request
from workbench.words import is_instrumental, parse_tags, without_tempo

_SYSTEM = (
    "# Instruction\nExpand the user's input into a more detailed and specific musical description:"
    "\n\n"
)
_TEMPERATURE, _TOP_P = 0.85, 0.9
_CAPTION_TOKENS, _LYRIC_TOKENS = 200, 1200
_CAPTION_MAX, _LYRICS_MAX = 500, 4000
# As in the model's training, with "unknown" for music without words.
_LANGUAGES = re.findall(
    r"\w+",
    "en zh ja ko es fr de it pt ru ar hi tr pl nl sv no da fi cs el he th vi id ms uk ro hu "
    "bg hr sr sk sl lt lv et is ga ca eu gl fa ur bn ta te ml mr sw tl unknown",
)
_TONICS = [f"{letter}{sign}" for letter in "ABCDEFG" for sign in ("", "#", "b")]
_VALUES: Mapping[str, Sequence[str]] = {
    "bpm": [str(number) for number in range(30, 301)],
    "duration": [str(number) for number in range(10, 601)],
    "keyscale": [f"{tonic} {mode}" for tonic in _TONICS for mode in ("major", "minor")],
    "language": _LANGUAGES,
    "timesignature": ["2", "3", "4", "6"],
}
_ORDER = ("bpm", "caption", "duration", "keyscale", "language", "timesignature")


class Planned(NamedTuple):
    """What the planner made of an idea, in the words of our server's compilers.

    `fields` has everything as the model wrote it.
    """

    prompt: str
    lyrics: str
    bpm: float | None
    vocal_language: str
    mode: Literal["instrumental", "vocal"]
    fields: Mapping[str, str]


@dataclass(frozen=True)
class _Tree:
    """Which tokens may follow, given those so far; `end` closes each value."""

    branches: dict[int, Any]

    @classmethod
    def of(cls, values: Iterable[Sequence[int]]) -> _Tree:
        root: dict[int, Any] = {}
        for value in values:
            node = root
            for token in value:
                node = node.setdefault(token, {})
        return cls(root)

    def after(self, tokens: Sequence[int]) -> list[int]:
        node = self.branches
        for token in tokens:
            node = node.get(token, {})
        return list(node)


class Planner:
    """A planner in memory.

    Parameters
    ----------
    model : str
        A folder, or a repository in the Hugging Face cache; nothing is downloaded.
    device : str
        Where it runs.

    Raises
    ------
    EngineUnavailable
        If torch, transformers or the weights are not on this disk, or cannot be read.
    """

    def __init__(self, model: str, device: str = "cpu") -> None:
        from workbench.errors import MetricUnavailable
        from workbench.learned.weights import find_weights, library

        try:
            weights = find_weights(model)
            transformers: Any = library("transformers")
            self._model = transformers.AutoModelForCausalLM.from_pretrained(
                weights.folder, local_files_only=True
            )
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(
                weights.folder, local_files_only=True
            )
        except (MetricUnavailable, OSError, ValueError) as error:
            raise EngineUnavailable(f"the planner cannot be had: {error}", "local") from error
        self._model.to(device).eval()
        self._trees: dict[str, _Tree] = {}
        self.name = Path(weights.name).name

    def compile(
        self,
        prompt: str,
        *,
        duration_s: float,
        instrumental: bool,
        fixed: Mapping[str, str] | None = None,
        seed: int = 0,
    ) -> Planned:
        """Expand an idea.

        Parameters
        ----------
        prompt : str
            The idea.
        duration_s : float
            Length asked for; it is told to the model.
        instrumental : bool
        fixed : mapping, optional
            Fields that the user decided, by the model's names (bpm, keyscale, language,
            timesignature): put in as they are.
        seed : int
            The same seed gives the same answer on one device.

        Raises
        ------
        RequestError
            If the idea is empty or a fixed field is unknown or impossible.
        """
        if not prompt.strip():
            raise RequestError("write an idea, for example 'a calm evening by the sea'.")
        given = dict(fixed or {})
        given["duration"] = str(min(600, max(10, math.ceil(duration_s))))
        for name, value in given.items():
            if value not in _VALUES.get(name, ()):
                raise RequestError(f"{name} cannot be {value!r} for the planner.")
        text = self._opening(prompt, instrumental)
        fields: dict[str, str] = {}
        with _seeded(seed):
            for name in _ORDER:
                text += f"{name}:"
                fields[name] = given.get(name) or self._asked(text, name)
                text += f" {fields[name]}\n"
            text += "</think>\n\n"
            lyrics = "[Instrumental]" if instrumental else self._lyrics(text)
        return Planned(
            fields["caption"],
            lyrics,
            float(fields["bpm"]),
            fields["language"],
            "instrumental" if instrumental or is_instrumental(lyrics) else "vocal",
            fields,
        )

    def expand(self, request: Request) -> Request:
        """A request whose tags are an idea, worded by the planner; what is fixed in it stays."""
        known = {
            "bpm": request.asked_tempo_bpm and str(round(request.asked_tempo_bpm)),
            "keyscale": request.key,
            "language": request.language,
            "timesignature": request.time_signature and str(request.time_signature),
        }
        planned = self.compile(
            request.tags,
            duration_s=request.duration_s,
            instrumental=request.instrumental,
            fixed={name: value for name, value in known.items() if value},
            seed=max(0, request.seed),
        )
        language = planned.vocal_language
        return request.but(
            tags=", ".join(without_tempo(parse_tags(planned.prompt))) or request.tags,
            lyrics=request.lyrics or planned.lyrics,
            tempo_bpm=request.asked_tempo_bpm or planned.bpm,
            key=request.key or planned.fields["keyscale"],
            language=request.language or (None if language == "unknown" else language),
            time_signature=request.time_signature or int(planned.fields["timesignature"]),
        )

    def _opening(self, prompt: str, instrumental: bool) -> str:
        said = f"{prompt}\n\ninstrumental: {str(instrumental).lower()}"
        return (
            f"<|im_start|>system\n{_SYSTEM}<|im_end|>\n<|im_start|>user\n{said}<|im_end|>\n"
            "<|im_start|>assistant\n<think>\n"
        )

    def _asked(self, text: str, name: str) -> str:
        if name == "caption":
            return self._free(text, _CAPTION_TOKENS, "\n")[:_CAPTION_MAX] or "music"
        return self._chosen(text, name)

    def _lyrics(self, text: str) -> str:
        written = self._free(text, _LYRIC_TOKENS, None)
        return written.removeprefix("# Lyric").strip()[:_LYRICS_MAX] or "[Instrumental]"

    def _tokens(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False).input_ids)

    def _tree(self, name: str) -> _Tree:
        if name not in self._trees:
            self._trees[name] = _Tree.of(self._tokens(f" {value}\n") for value in _VALUES[name])
        return self._trees[name]

    def _chosen(self, text: str, name: str) -> str:
        """One of a field's values: only tokens that lead to one may follow."""
        tree, start = self._tree(name), len(self._tokens(text))

        def may_follow(_: int, ids: Any) -> list[int]:
            # A value that is complete leads nowhere: the end is all that is left.
            return tree.after(ids[start:].tolist()) or [self._end]

        written = self._generate(text, 32, prefix_allowed_tokens_fn=may_follow)
        return written.strip()

    def _free(self, text: str, tokens: int, stop: str | None) -> str:
        stopping = {"stop_strings": [stop], "tokenizer": self._tokenizer} if stop else {}
        written = self._generate(text, tokens, **stopping).strip()
        return " ".join(written.split()) if stop else written

    @property
    def _end(self) -> int:
        return int(self._tokenizer.eos_token_id)

    def _generate(self, text: str, tokens: int, **how: Any) -> str:
        import torch

        ids = torch.tensor([self._tokens(text)], device=self._model.device)
        with torch.inference_mode():
            out = self._model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=tokens,
                do_sample=True,
                temperature=_TEMPERATURE,
                top_p=_TOP_P,
                eos_token_id=self._end,
                pad_token_id=self._end,
                **how,
            )
        return str(self._tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Within it, torch's global random state is the seed's; afterwards it is as before."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
