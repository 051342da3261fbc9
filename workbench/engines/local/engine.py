"""ACE-Step 1.5 on this machine, through diffusers.

What is the same and what is near: with one device, precision and version, the same request gives
the same samples, whatever else is in its batch up to rounding (7e-7 of the signal in float32 was
measured; more in bfloat16, where kernels depend on the size of the batch, and with compiled blocks,
which a long run on a GPU uses: a take says whether it was made so). An edit is bit-exact outside of
its window and crossfades.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.cost import Charge, Quote, usd, usd_from_zero
from workbench.engines.base import Attempt, Delivery, Outcome
from workbench.engines.local import plan
from workbench.engines.local.weights import WeightsFolder, find_weights
from workbench.errors import EngineError, EngineFailed, EngineUnavailable
from workbench.request import AnyRequest

if TYPE_CHECKING:
    from workbench.engines.local.model import Model, Place

# Raise it whenever the same request would sound different: stored takes then no longer match.
VERSION = "1"
# Assumed for quotes until a run has shown better: seconds of audio per second, 8 steps.
_ASSUMED_SPEED = {"cuda": 20.0, "cpu": 0.05}
_ASSUMED_STEPS = 8
# A song's share of memory beside the weights, with room to spare.
_ROW_BYTES_PER_S = 2_000_000
_DECODING_BYTES = 4_000_000_000
_BATCH_MAX = 32


class LocalEngine:
    """ACE-Step 1.5 through diffusers, on a GPU or, slowly, on the processor.

    Parameters
    ----------
    model : str
        A variant (turbo, base, sft, xl-turbo, xl-base, xl-sft), a repository, or a folder.
    revision : str, optional
        Of a repository in the local cache.
    device : str
        "cuda", "cuda:1", "cpu"; the first GPU if there is one, when not said.
    batch_max : int, optional
        Takes per call; as many as fit the free memory, at most 32, when not said.
    usd_per_hour : number or str
        What an hour of this GPU costs; 0 makes takes free.

    Options of a request: ``steps, shift, guidance, lora, lora_scale, reference`` (an audio file);
    of edits also ``blend`` (conservative, balanced, aggressive), and with an `Inpaint` ``task``
    (repaint, cover, extract, lego, complete) and ``track``.

    Raises
    ------
    EngineUnavailable
        If the weights are not on this disk.
    """

    concurrency = 2  # one call computes while the audio of the other is written
    is_idempotent = True  # nothing is sent, so nothing can be paid for twice

    def __init__(
        self,
        model: str = "turbo",
        revision: str | None = None,
        device: str = "",
        batch_max: int | None = None,
        usd_per_hour: Decimal | float | str = 0,
    ) -> None:
        self.weights: WeightsFolder = find_weights(model, revision)
        self.name = f"local-{self.weights.variant.name}"
        self._device = device
        self.batch_max = _BATCH_MAX if batch_max is None else batch_max
        self._rows_max = batch_max
        self._usd_per_s = usd_from_zero(usd_per_hour) / 3600
        self._lock = threading.Lock()
        self._seconds_of_audio = 0.0
        self._speed: float | None = None

    @cached_property
    def place(self) -> Place:
        """Device and precision; raises `EngineUnavailable` without torch or the asked GPU."""
        _check_libraries()
        from workbench.engines.local.model import Place

        return Place.here(self._device)

    @cached_property
    def model(self) -> Model:
        """The weights in memory."""
        place = self.place
        from workbench.engines.local.model import Model

        return Model(self.weights, place)

    @property
    def fingerprint(self) -> Mapping[str, str]:
        """Model, revision, device, precision, versions: all that decides the samples."""
        return {
            "engine": "local",
            "version": VERSION,
            "model": self.weights.variant.name,
            "revision": self.weights.revision,
            "place": self.place.words,
            "torch": version("torch"),
            "diffusers": version("diffusers"),
        }

    def _rows_that_fit(self) -> int:
        """Rows per call: as asked, else by free memory; one on a processor, which gains nothing."""
        if self._rows_max is not None:
            return self._rows_max
        free = self.place.free_bytes()
        if free is None:
            return 1
        return int(np.clip((free - _DECODING_BYTES) // (_ROW_BYTES_PER_S * 60), 1, _BATCH_MAX))

    def ready(self) -> str:
        """One line on weights and device; raises `EngineUnavailable` if it cannot run."""
        weights = self.weights
        slow = ""
        if self.place.device.type == "cpu":
            minutes = 60 / _ASSUMED_SPEED["cpu"] / 60
            slow = f"; no GPU: about {minutes:.0f} minutes a minute of music, by estimate"
        return (
            f"{weights.name} at {weights.revision[:14]}, licence {weights.licence}, on "
            f"{self.place.words}{slow}"
        )

    def check(self, request: AnyRequest) -> None:
        """Raise `RequestError` for what the model cannot serve."""
        plan.check(request, self.weights.variant)

    def quote(self, request: AnyRequest) -> Quote:
        """Seconds of computing at the hourly price, at an assumed or measured speed."""
        self.check(request)
        if not self._usd_per_s:
            return Quote(basis="this machine, no charge")
        steps = plan.settings_of(request, self.weights.variant).steps
        speed = self._speed or _ASSUMED_SPEED[self.place.device.type]
        known = "measured" if self._speed else "assumed"
        seconds = 2 * plan.rendered_s(request) / speed * steps / _ASSUMED_STEPS
        return Quote(
            amount_usd=usd(self._usd_per_s * Decimal(str(seconds))),
            basis=f"at most {seconds:.1f} s at {self._usd_per_s * 3600:.2f} USD/h "
            f"({known} speed, doubled for safety)",
        )

    def batch_key(self, request: AnyRequest) -> str:
        """Requests of one length, task and sampling share a call; words and seeds do not matter."""
        return plan.batch_key(request, self.weights.variant)

    def generate(self, attempts: Sequence[Attempt]) -> Iterator[Outcome]:
        """Serve a batch; halved as often as memory runs out."""
        from workbench.engines.local.job import Failure, serve

        rows = self._rows_that_fit()
        pending = [list(attempts[n : n + rows]) for n in range(0, len(attempts), rows)]
        while pending:
            batch = pending.pop(0)
            for attempt in batch:
                attempt.stop_if_cancelled()
            outcome: Any = None
            try:
                with self._lock:
                    outcome = self._timed(serve, batch)
            except EngineError:
                raise
            except Exception as error:
                if not _is_out_of_memory(error):
                    raise
                outcome = None
            if outcome is not None:
                for attempt, result in zip(batch, outcome, strict=True):
                    yield attempt, result.error if isinstance(result, Failure) else result
                continue
            _free_memory()
            if len(batch) == 1:
                yield (
                    batch[0],
                    EngineFailed(
                        "memory ran out with a single take: ask for less seconds, or take a "
                        "smaller variant.",
                        self.name,
                    ),
                )
                continue
            half = len(batch) // 2
            pending[:0] = [batch[:half], batch[half:]]

    def _timed(self, serve: Any, batch: Sequence[Attempt]) -> list[Any]:
        """Serve, and put what it took on each delivery."""
        model = self.model
        seconds = sum(plan.rendered_s(attempt.request) for attempt in batch)
        self._seconds_of_audio += seconds
        from workbench.engines.local.model import COMPILE_FROM_S

        if self._seconds_of_audio > COMPILE_FROM_S:
            model.compile()
        began = time.perf_counter()
        results = serve(model, batch)
        took_s = time.perf_counter() - began
        steps = plan.settings_of(batch[0].request, self.weights.variant).steps
        self._speed = seconds / took_s * steps / _ASSUMED_STEPS
        each_s = took_s / len(batch)
        return [self._charged(result, each_s, len(batch)) for result in results]

    def _charged(self, result: Any, each_s: float, rows: int) -> Any:
        from dataclasses import replace

        if not isinstance(result, Delivery):
            return result
        kind = "GPU" if self.place.device.type == "cuda" else "processor"
        charge = Charge(
            amount_usd=usd(self._usd_per_s * Decimal(str(each_s))),
            basis=f"{each_s:.3f} s of {kind}, a share of a call of {rows}",
            source="measured",
        )
        received = {**result.received, "compute_s": round(each_s, 4), "batch_rows": rows}
        received |= {"licence": self.weights.licence, **_peak_memory(self.place)}
        return replace(result, charge=charge, received=received)


def _check_libraries() -> None:
    try:
        installed = version("torch").split("+")[0]
        version("diffusers")
    except PackageNotFoundError:
        raise EngineUnavailable(
            "torch and diffusers are not installed: pip install 'workbench[local]'.", "local"
        ) from None
    try:
        audio = version("torchaudio").split("+")[0]
    except PackageNotFoundError:
        return
    if audio.split(".")[:2] != installed.split(".")[:2]:
        raise EngineUnavailable(
            f"torchaudio {audio} was built for another torch than {installed}: install "
            f"torchaudio=={installed}, or remove it.",
            "local",
        )


def _is_out_of_memory(error: Exception) -> bool:
    import torch

    return isinstance(error, torch.OutOfMemoryError | MemoryError)


def _free_memory() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _peak_memory(place: Place) -> dict[str, int]:
    import torch

    if place.device.type != "cuda":
        return {}
    return {"peak_memory_bytes": int(torch.cuda.max_memory_allocated(place.device))}
