"""The life of a hosted take: intend, submit, follow, collect, download. One for all services.

A `FarSide` knows one service's words; the order of steps and the rules of money live here alone:

* nothing paid leaves before the intent is on disk, and the price has been read;
* a submit is repeated only after a sure refusal, or where the service knows our key again;
* a job with an id is followed by its id and never submitted again;
* whatever goes wrong after that keeps the id, and the charge where one was told.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from tenacity import RetryCallState, stop_after_delay

from workbench.cost import Charge, Quote
from workbench.engines.base import Attempt, Delivery, Outcome
from workbench.engines.hosted.download import Downloader, Unsafe, audio_cap_bytes
from workbench.engines.hosted.faults import JobFailed, Missing, Unexpected, Unsure
from workbench.engines.hosted.job import Farewell, FarSide, Order, Result, job_id_of
from workbench.engines.hosted.pace import Pause, Slot
from workbench.engines.hosted.poll import Rhythm
from workbench.errors import (
    AudioError,
    Cancelled,
    EngineBusy,
    EngineError,
    EngineRefused,
    OutcomeUnknown,
    RequestError,
)
from workbench.request import AnyRequest, Request

_TICK_S = 0.1  # how soon a wish to stop is seen
_CANCEL_S = 15.0  # how long we try to cancel before we say that we could not
_FETCHES = 3
_AFTER_REFUSAL_S = 0.2
_LENGTH_SLACK_S = 1.0


class HostedEngine:
    """An engine behind HTTP; build it with a constructor of this package.

    Parameters
    ----------
    far : FarSide
    """

    batch_max = 1

    def __init__(self, far: FarSide) -> None:
        self.name = far.engine
        self._far, self._wire, self._pace = far, far.wire, far.wire.pace
        # More calls than slots: some download, decode, or wait as long as the service asked for,
        # while others keep the slots busy.
        self.concurrency = 2 * self._pace.slots_max
        self.is_idempotent = far.submit_repeats
        self._limits = far.settings.limits
        self._files = Downloader(far.wire.service, self._limits, self.name)
        self._rhythm = Rhythm()
        self._surely_refused: set[str] = set()

    def __repr__(self) -> str:
        return f"HostedEngine({self.name!r} at {self._wire.service.host})"

    @property
    def fingerprint(self) -> Mapping[str, str]:
        """What, beside the request, decides the audio."""
        return self._far.fingerprint

    def ready(self) -> str:
        """Where it is; raises `SignInNeeded` without a token. Nothing is called."""
        self._wire.service.need_token()
        return f"{self._wire.service.name} at {self._wire.service.host}"

    def check(self, request: AnyRequest) -> None:
        """Raise `RequestError` if the service cannot serve the request."""
        self._far.check(request)

    def quote(self, request: AnyRequest) -> Quote:
        """What the request will cost at most, by the live price."""
        return self._far.quote(request)

    def batch_key(self, request: AnyRequest) -> str:
        """Hosted requests share no calls."""
        return request.digest

    def generate(self, attempts: Sequence[Attempt]) -> Iterator[Outcome]:
        """Serve the attempts one after the other."""
        for attempt in attempts:
            try:
                delivery = self._serve(attempt)
            except EngineError as error:
                yield attempt, error
            else:
                yield attempt, delivery

    def _serve(self, attempt: Attempt) -> Delivery:
        pause = _pause_of(attempt)
        if attempt.remote_id is None:
            job_id = self._submit(attempt, pause)
        else:
            job_id = job_id_of(attempt.remote_id, self._wire.service.name)
            self._pace.join()
        slot = Slot(self._pace)
        try:
            try:
                self._follow(attempt, job_id, slot, pause)
            finally:
                slot.lend()
            return self._collect(attempt, job_id, pause)
        except (EngineBusy, JobFailed):
            raise
        except Missing as error:
            raise self._lost(job_id, error) from error
        except (EngineError, OSError) as error:
            # Whatever it is (a token revoked, a full disk), the job exists and is not given up.
            raise EngineBusy(f"job {job_id} is kept by its id: {error}", self.name) from error

    # --- submit ------------------------------------------------------------------------------

    def _submit(self, attempt: Attempt, pause: Pause) -> str:
        """Submit and write the id down; a slot is taken when this returns."""
        doubts = self._doubts_of(attempt)
        self._surely_refused.discard(attempt.idempotency_key)
        try:
            job_id = self._send(attempt, doubts, pause)
        except Exception as error:
            if doubts:
                raise self._unknown(attempt, doubts[0]) from error
            self._surely_refused.add(attempt.idempotency_key)
            raise
        try:
            attempt.submitted(job_id)
        except Exception as error:
            self._pace.leave()
            raise OutcomeUnknown(
                f"{self._wire.service.name} accepted the job as {job_id}, but that could not be "
                f"written down ({error}): make room, then resume it by this id.",
                self.name,
            ) from error
        return job_id

    def _doubts_of(self, attempt: Attempt) -> list[Exception]:
        """Why the work may exist already, from an earlier run.

        Raises
        ------
        OutcomeUnknown
            If it may, and finding out would mean paying again.
        """
        if not attempt.intended or attempt.idempotency_key in self._surely_refused:
            return []
        doubt = EngineBusy("the run that sent it broke off", self.name)
        if not self._far.submit_repeats:
            raise self._unknown(attempt, doubt)
        return [doubt]

    def _send(self, attempt: Attempt, doubts: list[Exception], pause: Pause) -> str:
        """Prepare, write the intent down, submit; `doubts` gets every try that may have worked."""
        order = self._prepare(attempt, pause)

        def once() -> str:
            self._pace.enter(pause)
            try:
                return self._far.submit(order, attempt.idempotency_key)
            except BaseException as error:
                self._pace.leave()
                sure = isinstance(error, EngineError) and not isinstance(error, Unsure | Unexpected)
                if not sure and isinstance(error, Exception):
                    doubts.append(error)
                raise

        return self._wire.repeat(once, pause, worth=self._may_repeat, stop=self._waited_out)

    def _prepare(self, attempt: Attempt, pause: Pause) -> Order:
        """All that can be refused without paying, then the intent on disk."""
        try:
            self._far.check(attempt.request)
            order = self._far.order(attempt.request, whole=True)
        except (RequestError, AudioError, OSError) as error:
            raise EngineRefused(str(error), self.name) from None
        self._wire.service.need_token()
        self._far.quote(attempt.request, pause)  # a price that cannot be read stops us here
        attempt.stop_if_cancelled()
        attempt.intend({"model": order.model, "input": order.record})
        return order

    def _may_repeat(self, error: BaseException) -> bool:
        surely_not_done = isinstance(error, EngineBusy) and not isinstance(error, Unsure)
        return surely_not_done or (self._far.submit_repeats and isinstance(error, Unsure))

    def _waited_out(self, state: RetryCallState) -> bool:
        # Only the waits count: time spent waiting for a slot is no fault of the service.
        return state.idle_for >= self._limits.retry_s

    def _unknown(self, attempt: Attempt, doubt: Exception) -> OutcomeUnknown:
        now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        model = self._far.order(attempt.request, whole=False).model
        return OutcomeUnknown(
            f"a paid call for {model} left before {now} UTC and no usable answer came "
            f"({str(doubt).rstrip('.')}): the job may exist and be billed. {self._far.how_to_look}"
            f" Our key was {attempt.idempotency_key}, the seed {attempt.request.seed}.",
            self.name,
        )

    # --- follow ------------------------------------------------------------------------------

    def _follow(self, attempt: Attempt, job_id: str, slot: Slot, pause: Pause) -> None:
        """Look at the job until it is over."""
        started = time.monotonic()
        is_new, seen_running = attempt.remote_id is None, False

        def pause_in_look(wait_s: float) -> None:
            # Where a look is put off past the time when the job should be over, its slot would
            # lie idle. Should the estimate be wrong, one job more is under way for a moment.
            typical_s = self._rhythm.typical_s
            if typical_s is not None and time.monotonic() + wait_s > started + typical_s:
                slot.lend()
            pause(wait_s)

        wait_s = self._rhythm.next_wait_s(0.0) if is_new else 0.0
        while True:
            try:
                pause(wait_s)
                look = self._far.look(job_id, pause_in_look)
            except Cancelled:
                came = self.cancel(job_id)
                raise Cancelled(f"stopped as asked; {came.words}", came.ended) from None
            elapsed_s = time.monotonic() - started
            if look.over:
                break
            seen_running = True
            slot.take_back()
            typical_s = self._rhythm.typical_s or self._limits.follow_s
            words = f"{look.word}, {look.detail}" if look.detail else look.word
            attempt.progress(min(0.95, elapsed_s / typical_s), words)
            if elapsed_s > self._limits.follow_s:
                raise EngineBusy(
                    f"job {job_id} is still {look.word or 'without a state'} after "
                    f"{elapsed_s:.0f} s: it is not given up, run again to follow it further.",
                    self.name,
                )
            wait_s = self._rhythm.next_wait_s(elapsed_s)
        if is_new:
            self._rhythm.learn(elapsed_s, seen_running=seen_running)

    def cancel(self, job_id: str) -> Farewell:
        """Cancel a job remotely; the words are a whole sentence."""
        try:
            came = self._wire.repeat(
                lambda: self._far.cancel(job_id),
                stop=stop_after_delay(min(_CANCEL_S, self._limits.retry_s)),
            )
        except EngineError as error:
            why = str(error).rstrip(".")
            came = Farewell(False, f"could not be cancelled ({why}): it may run on and be charged")
        return Farewell(came.ended, f"job {job_id} {came.words}.")

    # --- collect -----------------------------------------------------------------------------

    def _collect(self, attempt: Attempt, job_id: str, pause: Pause) -> Delivery:
        """The audio of a job that is over; an expired or unusable link is asked for again."""
        for tries_left in reversed(range(_FETCHES)):
            result = self._far.result(job_id, pause)
            if result.failure:
                raise JobFailed(f"job {job_id} {result.failure}.", self.name, result.charge)
            try:
                return self._fetch(attempt, result, pause)
            except (Missing, Unsafe) as error:
                if not tries_left:
                    raise JobFailed(
                        f"job {job_id} is done, but its audio cannot be had: {error}",
                        self.name,
                        self._charge(attempt.request, result),
                    ) from None
                pause(_AFTER_REFUSAL_S)
        raise AssertionError("the last try returns or raises")

    def _fetch(self, attempt: Attempt, result: Result, pause: Pause) -> Delivery:
        request = attempt.request
        cap_bytes = audio_cap_bytes(self._far.seconds(request))
        path, clip = self._wire.repeat(
            lambda: self._files.fetch(result.link, cap_bytes, attempt.folder, pause), pause
        )
        order = self._far.order(request, whole=False)
        notes = [*order.notes, *result.notes]
        if isinstance(request, Request):
            off_s = clip.duration_s - request.duration_s
            if abs(off_s) > _LENGTH_SLACK_S:
                notes.append(f"asked for {request.duration_s:g} s, got {clip.duration_s:.2f} s")
        return Delivery(
            audio=path,
            sent={"model": order.model, "input": order.record},
            received=result.received,
            charge=self._charge(request, result),
            notes=tuple(notes),
        )

    def _charge(self, request: AnyRequest, result: Result) -> Charge:
        """What the service says it cost, else what we expected."""
        if result.charge is not None:
            return result.charge
        quote = self._far.quote(request)
        return Charge(
            amount_usd=quote.amount_usd,
            credits=quote.credits,
            basis=quote.basis,
            source="expected",
        )

    def _lost(self, job_id: str, error: EngineError) -> OutcomeUnknown:
        return OutcomeUnknown(
            f"{self._wire.service.name} does not know job {job_id} any more, though it accepted "
            f"it and may have billed it ({str(error).rstrip('.')}). {self._far.how_to_look}",
            self.name,
        )


def _pause_of(attempt: Attempt) -> Pause:
    """A sleep that ends with `Cancelled` soon after the user asked to stop."""

    def pause(wait_s: float) -> None:
        until = time.monotonic() + wait_s
        while True:
            attempt.stop_if_cancelled()
            left_s = until - time.monotonic()
            if left_s <= 0:
                return
            time.sleep(min(left_s, _TICK_S))

    return pause
