"""Do agreement and set distance follow from a CLAP's embeddings, however clips are batched?"""

from pathlib import Path

import numpy as np
import pytest

from tests.learned.conftest import RATE_HZ, noise, tone, write_tiny_clap
from workbench.clip import Clip
from workbench.errors import AudioError, RequestError
from workbench.learned.clap import Clap, load_clap, set_distance, text_agreement

WORDS = "lo-fi, rhodes"


def test_agreement_is_what_the_model_itself_says(clap: Clap) -> None:
    import torch

    clip = noise(10)
    processor, model = clap.processor, clap.model
    audio = processor.feature_extractor(
        clip.samples.mean(axis=0), sampling_rate=RATE_HZ, return_tensors="pt"
    )
    text = processor.tokenizer(WORDS, return_tensors="pt")
    with torch.inference_mode():
        said = model(**text, **audio)
    expected = float((said.text_embeds @ said.audio_embeds.T).item())
    found = text_agreement(clap, clip, WORDS)
    assert found.cosine == pytest.approx(expected, abs=1e-5)
    assert (found.windows, found.model) == (1, "tiny-clap")
    assert found.revision == clap.weights.revision


def test_agreement_averages_over_windows_of_ten_seconds(clap: Clap) -> None:
    first, second = noise(10), tone(10)
    joined = Clip(np.concatenate([first.samples[:1], second.samples], axis=1), RATE_HZ)
    parts = [
        text_agreement(clap, Clip(first.samples[:1], RATE_HZ), WORDS).cosine,
        text_agreement(clap, second, WORDS).cosine,
    ]
    assert parts[0] != pytest.approx(parts[1], abs=1e-3)
    whole = text_agreement(clap, joined, WORDS)
    assert whole.windows == 2
    assert whole.cosine == pytest.approx(np.mean(parts), abs=1e-6)


def test_the_last_seconds_are_heard(clap: Clap) -> None:
    clip = noise(21)
    other_end = np.concatenate([clip.samples[:, : 20 * RATE_HZ], noise(1, seed=1).samples], axis=1)
    ends = clap.embed_audio([clip, Clip(other_end, RATE_HZ)])
    assert [len(windows) for windows in ends] == [3, 3]
    np.testing.assert_allclose(ends[0][0], ends[1][0], atol=1e-6)
    assert np.abs(ends[0][2] - ends[1][2]).max() > 1e-4


def test_other_rates_sound_the_same(clap: Clap) -> None:
    time_s = np.arange(10 * 44_100) / 44_100
    resampled = Clip((np.sin(2 * np.pi * 440 * time_s) / 2).astype(np.float32), 44_100)
    low, high = clap.embed_audio([resampled, tone(10)])
    assert float(low[0] @ high[0]) > 0.999


@pytest.fixture(scope="module")
def fused(tmp_path_factory: pytest.TempPathFactory) -> Clap:
    folder: Path = tmp_path_factory.mktemp("weights") / "fused"
    write_tiny_clap(folder, fused=True)
    return load_clap(str(folder))


@pytest.mark.parametrize("kind", ["clap", "fused"])
def test_a_batch_says_what_each_clip_alone_does(kind: str, request: pytest.FixtureRequest) -> None:
    model: Clap = request.getfixturevalue(kind)
    clips = [noise(12, seed=1), tone(3), noise(10, seed=2)]
    together = model.embed_audio(clips)
    for windows, clip in zip(together, clips, strict=True):
        np.testing.assert_allclose(windows, model.embed_audio([clip])[0], atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(windows, axis=1), 1, atol=1e-6)
    again = model.embed_audio(clips)
    assert all(np.array_equal(*pair) for pair in zip(together, again, strict=True))


def test_more_windows_than_one_pass_keep_their_order(
    clap: Clap, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = [noise(11, seed=seed) for seed in range(3)]
    expected = clap.embed_audio(clips)
    monkeypatch.setattr("workbench.learned.clap._WINDOWS_PER_PASS", 4)
    for found, windows in zip(clap.embed_audio(clips), expected, strict=True):
        np.testing.assert_allclose(found, windows, atol=1e-5)


def test_set_distance_is_zero_to_itself_and_grows(clap: Clap) -> None:
    noises = [noise(10, seed=seed) for seed in range(3)]
    tones = [tone(10, pitch_hz=pitch_hz) for pitch_hz in (220, 440, 880)]
    same, other = set_distance(clap, noises, noises), set_distance(clap, noises, tones)
    assert same.distance == pytest.approx(0, abs=1e-6)
    assert other.distance > 100 * max(same.distance, 1e-6)
    assert (other.clips, other.windows) == ((3, 3), (3, 3))
    assert other.extrapolated is None
    assert "3 clips; extrapolating needs at least 20" in other.reason
    assert other.revision == clap.weights.revision


def test_enough_clips_are_extrapolated(clap: Clap) -> None:
    every = [noise(1.5, seed=seed) for seed in range(64)]
    found = set_distance(clap, every[:32], every[32:])
    assert found.reason == ""
    assert found.extrapolated is not None
    assert found.extrapolated < found.distance


@pytest.mark.parametrize(
    ("clip", "why"),
    [
        (noise(0.5), "lasts 0.50 s"),
        (Clip(np.zeros((2, 96_000), np.float32), RATE_HZ), "silent"),
        (Clip(np.full((1, 96_000), np.nan, np.float32), RATE_HZ), "NaN or infinity"),
    ],
)
def test_what_cannot_be_heard_has_no_number(clap: Clap, clip: Clip, why: str) -> None:
    with pytest.raises(AudioError, match=why):
        text_agreement(clap, clip, WORDS)


def test_words_must_be_there_and_fit(clap: Clap) -> None:
    with pytest.raises(RequestError, match="no words"):
        clap.embed_text("  ")
    clap.embed_text("x" * 62)  # with begin and end 64 tokens, what the tiny model reads
    with pytest.raises(RequestError, match="65 tokens, the model reads 64"):
        clap.embed_text("x" * 63)
