"""The local engine on a tiny random pipeline: the real code, numbers that are no music."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.local.tiny import write_tiny
from workbench.clip import Clip
from workbench.engines import engine as make_engine
from workbench.engines.base import Attempt, Delivery, Event
from workbench.engines.local import LocalEngine, edits
from workbench.engines.local import plan as plans
from workbench.errors import Cancelled, EngineError, EngineFailed, EngineUnavailable, RequestError
from workbench.request import AnyRequest, Inpaint, Outpaint, Request, Source, Span
from workbench.study import Study
from workbench.sweep import Sweep

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

HOUSE = Request(tags="house, 124 BPM", lyrics="[inst]", duration_s=2.5, seed=1)
SONG = Request(
    tags="jazz, piano trio, brushes, late night, 90 BPM",
    lyrics="[verse]\nwords upon words upon words\n[chorus]\nand more of them",
    key="A minor",
    time_signature=3,
    duration_s=2.5,
    seed=2,
)
# Rounding of float32 in kernels whose order of adding depends on the batch.
NEAR = 5e-6


@pytest.fixture(scope="module")
def turbo(tmp_path_factory: pytest.TempPathFactory) -> LocalEngine:
    return LocalEngine(str(write_tiny(tmp_path_factory.mktemp("turbo"))), batch_max=4)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> LocalEngine:
    folder = write_tiny(tmp_path_factory.mktemp("base"), turbo=False)
    return LocalEngine(str(folder), batch_max=4)


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of stereo noise and tone at 44.1 kHz, of a length that fills no frame."""
    rng = np.random.default_rng(0)
    seconds = np.arange(6 * 44_100 + 777) / 44_100
    tone = 0.3 * np.sin(2 * np.pi * 220 * seconds)
    samples = np.stack([tone, tone]) + rng.normal(0, 0.05, (2, len(seconds)))
    path = tmp_path_factory.mktemp("source") / "song.wav"
    Clip(samples.astype(np.float32), 44_100).write(path)
    return path


def made(engine: LocalEngine, *requests: AnyRequest, **hooks: Any) -> list[Delivery | EngineError]:
    attempts = [Attempt(request, f"key-{n}", **hooks) for n, request in enumerate(requests)]
    found = {id(attempt): outcome for attempt, outcome in engine.generate(attempts)}
    return [found[id(attempt)] for attempt in attempts]


def samples(outcome: Delivery | EngineError) -> np.ndarray:
    assert isinstance(outcome, Delivery), outcome
    assert isinstance(outcome.audio, Clip)
    return outcome.audio.samples


def one(engine: LocalEngine, request: AnyRequest) -> np.ndarray:
    return samples(made(engine, request)[0])


# --- text to audio --------------------------------------------------------------------------------


def test_the_length_is_exact_and_the_peak_that_of_the_plain_pipeline(turbo: LocalEngine) -> None:
    for duration_s in (2.0, 2.513, 3.99):
        clip = one(turbo, HOUSE.but(duration_s=duration_s))
        assert clip.shape == (2, round(duration_s * 48_000))
        assert np.abs(clip).max() == pytest.approx(10 ** (-1 / 20), rel=1e-5)


def test_the_same_request_gives_the_same_samples(turbo: LocalEngine) -> None:
    assert np.array_equal(one(turbo, HOUSE), one(turbo, HOUSE))
    assert not np.allclose(one(turbo, HOUSE), one(turbo, HOUSE.but(seed=7)), atol=0.01)


def test_a_fresh_engine_repeats_it_whatever_the_global_random_state(turbo: LocalEngine) -> None:
    torch.manual_seed(99)
    again = LocalEngine(str(turbo.weights.path))
    assert np.array_equal(one(turbo, HOUSE), one(again, HOUSE))


def test_the_number_of_threads_changes_rounding_only(turbo: LocalEngine) -> None:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = one(turbo, HOUSE)
        torch.set_num_threads(2)
        assert np.abs(one(turbo, HOUSE) - alone).max() < NEAR
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("kind", ["turbo", "base"])
def test_a_row_does_not_depend_on_its_neighbours(kind: str, request: pytest.FixtureRequest) -> None:
    engine = request.getfixturevalue(kind)
    together = made(engine, HOUSE, SONG, HOUSE.but(seed=3))
    for outcome, wish in zip(together, (HOUSE, SONG, HOUSE.but(seed=3)), strict=True):
        assert np.abs(samples(outcome) - one(engine, wish)).max() < NEAR


def test_without_our_mask_neighbours_are_heard(turbo: LocalEngine) -> None:
    """The check above can fail: the stock processor lets padding through."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(turbo.model.pipe._mask, "for_rows", lambda rows: None)
        together = made(turbo, HOUSE, SONG)
    assert np.abs(samples(together[0]) - one(turbo, HOUSE)).max() > 20 * NEAR


def test_each_row_is_told_its_own_tempo_key_and_time(turbo: LocalEngine) -> None:
    first, second = made(turbo, HOUSE, SONG)
    assert isinstance(first, Delivery)
    assert isinstance(second, Delivery)
    assert (first.sent["tempo_bpm"], second.sent["tempo_bpm"]) == (124, 90)
    assert second.sent["key"] == "A minor"
    assert second.sent["time_signature"] == "3"
    slower = one(turbo, HOUSE.but(tags="house, 90 BPM"))
    assert not np.array_equal(one(turbo, HOUSE), slower), "and hears it"


def test_our_attention_equals_the_stock_pipeline(turbo: LocalEngine) -> None:
    import diffusers

    from workbench.engines.local.pipeline import noise_of

    pipeline: Any = diffusers.AceStepPipeline
    stock = pipeline.from_pretrained(turbo.weights.path, local_files_only=True)
    stock.set_progress_bar_config(disable=True)
    latents = noise_of(1, 63, 8)[None]
    audio = stock(
        prompt="house",
        lyrics="[Instrumental]",
        vocal_language="unknown",
        bpm=124,
        audio_duration=2.5,
        guidance_scale=1.0,
        latents=latents,
        return_dict=False,
    )[0]
    ours = one(turbo, HOUSE.but(tags="house", tempo_bpm=124))
    assert np.abs(audio[0, :, : ours.shape[1]].numpy() - ours).max() < 1e-4


def test_a_seed_means_the_same_noise_everywhere() -> None:
    from workbench.engines.local.pipeline import noise_of

    assert torch.equal(noise_of(5, 10, 8), noise_of(5, 10, 8))
    assert torch.equal(noise_of(5, 20, 8)[:10], noise_of(5, 10, 8))


def test_an_end_that_is_not_read_is_told(turbo: LocalEngine) -> None:
    (outcome,) = made(turbo, HOUSE.but(tags="x" * 300))
    assert isinstance(outcome, Delivery)
    assert any("tokens longer than the model reads" in note for note in outcome.notes)


# --- progress, cancelling, memory, broken numbers -------------------------------------------------


def test_progress_is_told_at_each_step(turbo: LocalEngine) -> None:
    events: list[Event] = []
    made(turbo, HOUSE, tell=events.append)
    shares = [event.data["share"] for event in events]
    assert len(shares) == 8
    assert shares == sorted(shares)
    assert shares[-1] <= 1


def test_cancelling_ends_within_a_step_and_leaves_the_engine_usable(turbo: LocalEngine) -> None:
    steps: list[Event] = []
    with pytest.raises(Cancelled):
        made(turbo, HOUSE, tell=steps.append, is_cancelled=lambda: len(steps) >= 3)
    assert len(steps) == 3
    again = LocalEngine(str(turbo.weights.path))
    assert np.array_equal(one(turbo, HOUSE), one(again, HOUSE))


def _breaks_above(rows: int, real: Callable[..., Any]) -> Callable[..., Any]:
    def sample(batch: Any, *args: Any, **kwargs: Any) -> Any:
        if len(batch) > rows:
            raise torch.OutOfMemoryError("simulated")
        return real(batch, *args, **kwargs)

    return sample


def test_a_batch_that_does_not_fit_is_halved(
    turbo: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = one(turbo, HOUSE)
    monkeypatch.setattr(turbo.model, "sample", _breaks_above(1, turbo.model.sample))
    outcomes = made(turbo, *(HOUSE.but(seed=n) for n in (1, 2, 3)))
    assert [isinstance(outcome, Delivery) for outcome in outcomes] == [True] * 3
    assert np.abs(samples(outcomes[0]) - expected).max() < NEAR


def test_a_take_that_never_fits_is_a_failure_with_a_reason(
    turbo: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turbo.model, "sample", _breaks_above(0, turbo.model.sample))
    (outcome,) = made(turbo, HOUSE)
    assert isinstance(outcome, EngineFailed)
    assert "memory ran out" in str(outcome)


def test_broken_numbers_cost_one_row_only(
    turbo: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = turbo.model.sample

    def sample(*args: Any, **kwargs: Any) -> torch.Tensor:
        latents = real(*args, **kwargs).clone()
        latents[1] = float("nan")
        return latents

    monkeypatch.setattr(turbo.model, "sample", sample)
    first, second = made(turbo, HOUSE, SONG)
    assert isinstance(first, Delivery)
    assert isinstance(second, EngineFailed)
    assert "NaN" in str(second)


def test_silence_is_a_failure(turbo: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = turbo.model.pipe.vae
    real = decoder.decode
    monkeypatch.setattr(
        decoder, "decode", lambda x: type(real(x))(sample=torch.zeros_like(real(x).sample))
    )
    (outcome,) = made(turbo, HOUSE)
    assert isinstance(outcome, EngineFailed)
    assert "silence" in str(outcome)


# --- edits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("blend", list(plans.BLENDS))
@pytest.mark.parametrize("channels", [1, 2])
def test_an_inpaint_is_bit_exact_outside(
    turbo: LocalEngine, song: Path, tmp_path: Path, blend: str, channels: int
) -> None:
    source = Clip.read(song)
    path = tmp_path / "source.wav"
    Clip(source.samples[:channels], source.rate_hz).write(path)
    edit = Inpaint(
        tags="house", source=path, span=Span(start_s=2.013, end_s=3.5), options={"blend": blend}
    )
    (outcome,) = made(turbo, edit)
    result = samples(outcome)
    before = Clip.read(path).samples
    assert result.shape == before.shape, "length, rate and channels stay"
    fade = round(plans.BLENDS[blend][2] * 44_100)
    first, last = round(2.013 * 44_100) - fade, round(3.5 * 44_100) + fade
    assert np.array_equal(result[:, :first], before[:, :first])
    assert np.array_equal(result[:, last:], before[:, last:])
    inside = slice(first + fade, last - fade)
    assert not np.allclose(result[:, inside], before[:, inside], atol=0.01)


def test_edits_in_a_batch_equal_edits_alone(turbo: LocalEngine, song: Path) -> None:
    edit = Inpaint(tags="house", source=song, span=Span(start_s=2, end_s=3))
    other = edit.but(seed=5, tags="jazz, with a longer line of tags")
    assert turbo.batch_key(edit) == turbo.batch_key(other)
    for outcome, wish in zip(made(turbo, edit, other), (edit, other), strict=True):
        assert np.abs(samples(outcome) - one(turbo, wish)).max() < NEAR


def test_an_outpaint_keeps_the_source_and_has_the_exact_length(
    turbo: LocalEngine, song: Path
) -> None:
    source = Clip.read(song)
    edit = Outpaint(tags="house", source=song, before_s=1.25, after_s=2.01)
    result = one(turbo, edit)
    before, after = round(1.25 * 44_100), round(2.01 * 44_100)
    length = source.samples.shape[1]
    assert result.shape == (2, before + length + after)
    fade = round(0.025 * 44_100)
    kept = result[:, before + fade : before + length - fade]
    assert np.array_equal(kept, source.samples[:, fade : length - fade])
    assert np.abs(result[:, :before]).max() > 0
    assert np.abs(result[:, -after:]).max() > 0


def test_of_a_long_source_only_the_surroundings_are_heard() -> None:
    rate_hz = 8_000
    source = Source(sha256="0" * 64, path="an-hour.wav")
    request = Inpaint(tags="x", source=source, span=Span(start_s=1800, end_s=1810))
    _, (window,) = edits.windows_of(request, 3600 * rate_hz, rate_hz)
    heard_s = (window.context_end - window.context_start) / rate_hz
    assert heard_s == 10 + 2 * edits.CONTEXT_S
    first_s, last_s = (frame / edits.FRAMES_PER_S for frame in window.frames)
    context_s = window.context_start / rate_hz
    assert context_s + first_s <= 1800
    assert context_s + last_s >= 1810


def test_the_level_is_matched_at_the_edges(song: Path) -> None:
    source = Clip.read(song)
    request = Inpaint(tags="x", source=song, span=Span(start_s=2, end_s=3))
    _, (window,) = edits.windows_of(request, source.samples.shape[1], source.rate_hz)
    quieter = source.at_rate(48_000).samples / 1.5
    result = edits.paste(source.samples, quieter, window, source.rate_hz, 0.025)
    inside = slice(round(2.2 * 44_100), round(2.8 * 44_100))
    ratio = np.std(result[:, inside]) / np.std(source.samples[:, inside])
    assert ratio == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("task", ["cover", "extract", "lego", "complete"])
def test_the_other_tasks_make_the_whole_length(base: LocalEngine, song: Path, task: str) -> None:
    source_s = Clip.read(song).duration_s
    edit = Inpaint(
        tags="drums",
        source=song,
        span=Span(start_s=0, end_s=0, end_from="end"),
        options={"task": task, "track": "drums", "steps": 2},
    )
    result = one(base, edit)
    assert result.shape == (2, round(source_s * 48_000))
    assert np.array_equal(result, one(base, edit)), "sources have deterministic latents"


def test_a_reference_changes_the_sound_and_repeats(turbo: LocalEngine, song: Path) -> None:
    wish = HOUSE.but(options={"reference": str(song)})
    assert np.array_equal(one(turbo, wish), one(turbo, wish))
    assert np.abs(one(turbo, wish) - one(turbo, HOUSE)).max() > 20 * NEAR


def test_a_lora_has_a_scale_and_can_be_left(turbo: LocalEngine, tmp_path: Path) -> None:
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    plain = one(turbo, HOUSE)
    other = LocalEngine(str(turbo.weights.path)).model.pipe
    config = LoraConfig(r=2, target_modules=["to_q"], init_lora_weights=False)
    other.transformer.add_adapter(config)
    state = get_peft_model_state_dict(other.transformer)
    type(other).save_lora_weights(str(tmp_path), transformer_lora_layers=state)
    strong, none = (
        one(turbo, HOUSE.but(options={"lora": str(tmp_path), "lora_scale": scale}))
        for scale in (1.0, 0.0)
    )
    assert not np.allclose(strong, plain, atol=1e-3)
    assert np.abs(none - plain).max() < NEAR
    assert np.abs(one(turbo, HOUSE) - plain).max() < NEAR


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"duration_s": 0.5}, "ask for 1 to 600 s"),
        ({"options": {"stepz": 3}}, "local has no option stepz"),
        ({"options": {"steps": 0}}, "steps is 0"),
        ({"options": {"steps": "many"}}, "steps is 'many'"),
        ({"options": {"guidance": 7}}, "guidance is part of turbo's weights"),
        ({"options": {"task": "cover"}}, "tasks with a source"),
        ({"options": {"lora": "nowhere"}}, "there is no lora at nowhere"),
        ({"tags": ", ".join(map(str, range(300)))}, "512 are read"),
        ({"lyrics": "la " * 2000}, "4096 are read"),
    ],
)
def test_an_impossible_wish_is_refused_before_anything_runs(
    turbo: LocalEngine, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(RequestError, match=said):
        turbo.check(HOUSE.but(**change))


def test_a_task_the_variant_never_learned_is_refused(turbo: LocalEngine, song: Path) -> None:
    edit = Inpaint(tags="x", source=song, options={"task": "extract"}, span=Span(end_s=6))
    with pytest.raises(RequestError, match="turbo was not trained for extract"):
        turbo.check(edit)


def test_absent_weights_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineUnavailable, match="workbench models pull nobody/nothing"):
        make_engine("local", model="nobody/nothing")


def test_a_missing_gpu_is_said(turbo: LocalEngine) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(EngineUnavailable, match="no GPU that torch can use"):
        LocalEngine(str(turbo.weights.path), device="cuda").ready()
    assert "no GPU: about" in LocalEngine(str(turbo.weights.path)).ready()


def test_weights_with_a_hole_are_not_filled_with_random_numbers(
    turbo: LocalEngine, tmp_path: Path
) -> None:
    import shutil

    folder = tmp_path / "holed"
    shutil.copytree(turbo.weights.path, folder)
    file = next((folder / "transformer").glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(EngineUnavailable, match=r"transformer/.* is damaged"):
        LocalEngine(str(folder))
    file.unlink()
    with pytest.raises(EngineUnavailable, match="transformer has no weights"):
        LocalEngine(str(folder))


def test_a_torchaudio_of_another_torch_is_said(
    turbo: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        return "2.8.0" if name == "torchaudio" else "2.11.0"

    monkeypatch.setattr("workbench.engines.local.engine.version", version)
    with pytest.raises(EngineUnavailable, match=r"torchaudio 2\.8\.0 was built for another torch"):
        LocalEngine(str(turbo.weights.path)).ready()


# --- in a study -----------------------------------------------------------------------------------


def test_a_study_batches_charges_and_resumes(turbo: LocalEngine, tmp_path: Path) -> None:
    engine = LocalEngine(str(turbo.weights.path), batch_max=3, usd_per_hour=2)
    sweep = Sweep(HOUSE.but(duration_s=2), tags=["house, 124 BPM", "jazz, 90 BPM"], seed=range(3))
    with Study("local", sweep, [engine], store=tmp_path, measures=()) as study:
        summary = study.run(watch=lambda progress: None)
        assert summary.made == 6
        assert summary.spent_usd > 0
        takes = study.takes()
        assert {take.received["batch_rows"] for take in takes} == {3}, "rounds share calls"
        assert {take.received["licence"] for take in takes} == {"mit"}
        assert study.run(watch=lambda progress: None).found == 6
