"""Does a clip sound like its words, and how far is a set of clips from another? By CLAP.

CLAP maps text and audio into one space in which a recording lies near its description. Agreement
is the cosine between the two, -1..1, averaged over windows of the model's length (10 s). Its
scale is the model's own: compare takes under one model and one text, not with a threshold.

References: Wu et al., Large-Scale Contrastive Language-Audio Pretraining, ICASSP 2023; Gui et al.,
Adapting Fréchet Audio Distance for Generative Music Evaluation, ICASSP 2024 (CLAP among the
networks whose distances follow listeners on music).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from workbench.clip import Clip
from workbench.errors import AudioError, RequestError
from workbench.learned.frechet import extrapolated_distance, frechet_distance
from workbench.learned.listening import mono_at, windows
from workbench.learned.weights import Weights, find_weights, library, not_on_disk, unreadable

FloatArray: TypeAlias = npt.NDArray[np.float32]

CLAP_MUSIC = "laion/larger_clap_music"

_TOKENIZER_FILES = ("tokenizer.json", "vocab.json")
# Windows per pass: 0.6 GB at the default size of CLAP, 150 million weights.
_WINDOWS_PER_PASS = 16


@dataclass(frozen=True)
class Clap:
    """A CLAP model, ready to embed; made by `load_clap`."""

    weights: Weights
    device: str
    model: Any = field(repr=False)
    processor: Any = field(repr=False)

    def embed_text(self, text: str) -> FloatArray:
        """The text's place in the common space, (dimensions,), of length 1.

        Raises
        ------
        RequestError
            If the text is empty, or longer than the model reads.
        """
        import torch

        if not text.strip():
            raise RequestError("there are no words to compare the clip with: give some.")
        tokens = self.processor.tokenizer(text, return_tensors="pt")
        given, most = tokens["input_ids"].shape[1], self._most_tokens
        if given > most:
            raise RequestError(f"the text has {given} tokens, the model reads {most}: shorten it.")
        with torch.inference_mode():
            found = self.model.get_text_features(**tokens.to(self.device))
        words: FloatArray = _unit_length(found.pooler_output)[0]
        return words

    def embed_audio(self, clips: Sequence[Clip]) -> list[FloatArray]:
        """Each clip's windows in the common space: (windows, dimensions), rows of length 1.

        Raises
        ------
        AudioError
            If a clip is too short, silent or not finite.
        """
        extractor = self.processor.feature_extractor
        cut = [
            windows(mono_at(clip, extractor.sampling_rate), extractor.nb_max_samples)
            for clip in clips
        ]
        every = [window for windows_of_clip in cut for window in windows_of_clip]
        passes = [
            self._embed_windows(every[start : start + _WINDOWS_PER_PASS])
            for start in range(0, len(every), _WINDOWS_PER_PASS)
        ]
        ends = np.cumsum([len(windows_of_clip) for windows_of_clip in cut])
        return np.split(np.concatenate(passes), ends[:-1]) if passes else []

    def _embed_windows(self, batch: Sequence[FloatArray]) -> FloatArray:
        import torch

        extractor = self.processor.feature_extractor
        inputs = extractor(list(batch), sampling_rate=extractor.sampling_rate, return_tensors="pt")
        # No window is longer than the model's, but the extractor then calls a random one so.
        inputs["is_longer"] = torch.zeros_like(inputs["is_longer"])
        with torch.inference_mode():
            found = self.model.get_audio_features(**inputs.to(self.device))
        return _unit_length(found.pooler_output)

    @property
    def _most_tokens(self) -> int:
        # RoBERTa counts positions from one past its padding token's number.
        text_config = self.model.config.text_config
        return int(text_config.max_position_embeddings - text_config.pad_token_id - 1)


@dataclass(frozen=True)
class TextAgreement:
    """Mean cosine of a clip and a text, -1..1, by which model and revision."""

    cosine: float
    windows: int
    model: str
    revision: str


@dataclass(frozen=True)
class SetDistance:
    """Fréchet distance between two sets of clips, by which model and revision.

    `extrapolated` is what sets without end would have; None with its `reason` where the sets are
    too small to say.
    """

    distance: float
    extrapolated: float | None
    reason: str
    clips: tuple[int, int]
    windows: tuple[int, int]
    model: str
    revision: str


def load_clap(name: str = CLAP_MUSIC, *, device: str = "cpu") -> Clap:
    """Load a CLAP model that is on this disk.

    Parameters
    ----------
    name : str
        A folder, or a name on the Hugging Face hub whose files are in the local cache.
    device : str
        Where to run it: "cpu", "cuda", ...

    Raises
    ------
    MetricUnavailable
        If torch, transformers or the weights are not on this disk, or the weights are not
        CLAP's. Nothing is downloaded.

    Examples
    --------
    >>> load_clap("nobody/nothing")
    Traceback (most recent call last):
    workbench.errors.MetricUnavailable: nobody/nothing is not available: get it by \
`hf download nobody/nothing`, or name a folder that holds it.
    """
    torch, transformers = library("torch"), library("transformers")
    weights = find_weights(name)
    # Without these files transformers makes a tokenizer that knows no words, and says nothing.
    if not any((weights.folder / file).is_file() for file in _TOKENIZER_FILES):
        raise not_on_disk(name)
    try:
        model, loading = transformers.ClapModel.from_pretrained(
            weights.folder, local_files_only=True, dtype=torch.float32, output_loading_info=True
        )
        processor = transformers.ClapProcessor.from_pretrained(
            weights.folder, local_files_only=True
        )
    except unreadable() as error:
        raise not_on_disk(name) from error
    # What a file lacks is filled with random numbers, and the answers would look just as good.
    if {key for key, _ in model.named_parameters()} & set(loading["missing_keys"]):
        raise not_on_disk(name)
    return Clap(weights, device, model.to(device).eval(), processor)


def text_agreement(clap: Clap, clip: Clip, text: str) -> TextAgreement:
    """How well a clip fits a text: the mean cosine over its windows.

    Parameters
    ----------
    clap : Clap
        From `load_clap`.
    clip : Clip
        At least 1 s, not silent.
    text : str
        The words to compare with; tags as a comma-separated list do.

    Raises
    ------
    AudioError
        If the clip is too short, silent or not finite.
    RequestError
        If the text is empty, or longer than the model reads.
    """
    words = clap.embed_text(text)
    (heard,) = clap.embed_audio([clip])
    cosine = float(np.mean(heard @ words))
    return TextAgreement(cosine, len(heard), clap.weights.name, clap.weights.revision)


def set_distance(clap: Clap, clips: Sequence[Clip], reference: Sequence[Clip]) -> SetDistance:
    """Fréchet audio distance between two sets of clips, plain and extrapolated.

    Parameters
    ----------
    clap : Clap
        From `load_clap`.
    clips, reference : sequences of Clip
        At least two windows (20 s) each; hundreds of clips before the number means much.

    Raises
    ------
    AudioError
        If a clip cannot be embedded, or a set has fewer than two windows.
    """
    heard, known = clap.embed_audio(clips), clap.embed_audio(reference)
    extrapolated, reason = None, ""
    try:
        extrapolated = extrapolated_distance(heard, known)
    except AudioError as error:
        reason = str(error)
    return SetDistance(
        distance=frechet_distance(heard, known),
        extrapolated=extrapolated,
        reason=reason,
        clips=(len(heard), len(known)),
        windows=(sum(map(len, heard)), sum(map(len, known))),
        model=clap.weights.name,
        revision=clap.weights.revision,
    )


def _unit_length(vectors: Any) -> FloatArray:
    values = vectors.float().cpu().numpy()
    unit: FloatArray = values / np.linalg.norm(values, axis=-1, keepdims=True)
    return unit
