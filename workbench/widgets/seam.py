"""The seam panel: mark a window, have it made anew, hear both in step, judge the edges."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from workbench.analysis.beats import track_beats
from workbench.analysis.seams import Seam, measure_seam
from workbench.analysis.tempo import estimate_tempo
from workbench.analysis.untouched import audit_untouched, splice_back
from workbench.clip import Clip
from workbench.engines import ENGINES
from workbench.errors import AudioError, EngineError, RequestError
from workbench.measure import Edit, Subject
from workbench.progress import Progress
from workbench.records import Shown
from workbench.request import AnyRequest, Inpaint, Outpaint, Source, Span
from workbench.study import Study
from workbench.sweep import Sweep
from workbench.take import State, Take
from workbench.widgets import sound
from workbench.widgets.base import EDIT, Panel, Reply

_TAKES_SHOWN = 100
_REASONS_SHOWN = 4
SPLICED = "spliced"


@dataclass(frozen=True)
class _Edited:
    """An edit with what it started from, both in the time of the result."""

    take: Take
    edit: Edit
    result: Clip
    repaired: Clip | None = None

    @property
    def sounds(self) -> tuple[Clip, ...]:
        """The original, the edit, and the repaired edit where there is one."""
        original = Clip(self.edit.source, self.result.rate_hz)
        return (original, self.result, *([self.repaired] if self.repaired else []))


class SeamPanel(Panel):
    """Inpaint or outpaint a file or a take, and judge what came of it.

    Parameters
    ----------
    store : path
        Folder of the store that keeps the edits.
    source : path, optional
        Audio file to start from; another one can be chosen in the panel.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     panel = SeamPanel(folder)
    ...     print(panel.answer("open", {}).data["takes"])
    ...     panel.close()
    []
    """

    script = "seam"

    def __init__(
        self,
        store: str | os.PathLike[str] = "runs/studio",
        source: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__(store)
        self._path = Path(source) if source else None
        self._source: Clip | None = None
        self._edited: _Edited | None = None
        self._progress = Progress(total=0)
        self._study: Study | None = None

    def answer_open(self) -> dict[str, Any]:
        """Which takes could be edited, which engines there are, and the file to start with."""
        takes: dict[int, str] = {}
        for name in self.studies:
            for _, take in self.store.page(name, Shown(state="done"), limit=_TAKES_SHOWN):
                if take and len(takes) < _TAKES_SHOWN:
                    seed = take.request.seed
                    takes[take.id] = f"{take.id}: {take.request.kind}, {take.request.tags}, {seed}"
        return {
            "takes": [{"id": number, "words": words} for number, words in takes.items()],
            "engines": list(ENGINES),
            "path": str(self._path or ""),
        }

    def answer_load(self, path: str = "", take_id: int | None = None) -> Reply:
        """Read a source: its length, beats, waveform and spectrogram."""
        if take_id is not None:
            take = self.store.take(take_id)
            self._path = self.store.audio.path(take.audio)
            words = take.request.tags
        elif path.strip():
            self._path, words = Path(path.strip()).expanduser(), ""
        else:
            raise RequestError("name an audio file, or choose a take.")
        clip = Clip.read(self._path)
        self._source, self._edited = clip, None
        return Reply(
            {
                "duration_s": clip.duration_s,
                "tags": words,
                "name": self._path.name,
                "beats_s": _beats_s(clip),
            },
            _pictures(clip),
        )

    def answer_quote(self, **wish: Any) -> str:
        """What an edit would cost at most, in words."""
        found = self.engine(wish.pop("engine")).quote(self._wish(**wish))
        credits = f" and {found.credits} credits" if found.credits else ""
        return f"at most {found.amount_usd:.4f} USD{credits} ({found.basis})"

    def answer_edit(self, **wish: Any) -> Reply:
        """Have the window made anew, or music added before and after; then judge it."""
        name = wish.pop("engine")
        take = self._made(self._wish(**wish), name)
        clip = self.store.clip(take)
        self._edited = _Edited(take, Subject(clip, take.request).edit, clip)
        return self._judged(clip)

    def _wish(
        self,
        kind: Literal["inpaint", "outpaint"],
        start_s: float,
        end_s: float,
        tags: str,
        seed: int = 0,
        options: dict[str, Any] | None = None,
    ) -> AnyRequest:
        """The edit as a request; for an outpaint the seconds are those added at either end."""
        if self._path is None:
            raise RequestError("choose a source first.")
        common = {"source": Source.of(self._path), "tags": tags, "seed": seed}
        common |= {"options": options} if options else {}
        if kind == "inpaint":
            return Inpaint(span=Span(start_s=start_s, end_s=end_s), **common)
        return Outpaint(before_s=start_s, after_s=end_s, **common)

    def _made(self, wish: AnyRequest, name: str) -> Take:
        """The take of an edit: found if it was made before, recorded like any other."""
        study_name = f"{EDIT}{wish.digest[:12]} by {name}"
        self._progress = Progress(total=0)
        with Study(study_name, Sweep(wish), [self.engine(name)], store=self.folder) as study:
            self._study = study
            study.run(retry=True, watch=self._watch)
            (take,) = study.takes()
        if take.state is not State.DONE:
            raise EngineError(take.reason or f"the edit is {take.state}.", name)
        return take

    def answer_progress(self) -> float:
        """How far an edit is, 0..1."""
        return self._progress.share

    def answer_stop(self) -> None:
        """Give up the edit that is being made."""
        if self._study:
            self._study.cancel()

    def _watch(self, progress: Progress) -> None:
        self._progress = replace(progress)

    def answer_splice(self) -> Reply:
        """Put the original back outside of the edit, sample for sample, and judge again."""
        edited = self._last()
        samples = splice_back(
            edited.edit.source, edited.result.samples, edited.result.rate_hz, edited.edit.spans
        )
        repaired = Clip(samples, edited.result.rate_hz)
        self._edited = replace(edited, repaired=repaired)
        folder = self.folder / SPLICED
        folder.mkdir(exist_ok=True)
        path = folder / f"take-{edited.take.id}{repaired.lossless_suffix}"
        part = path.with_name(f"part-{path.name}")
        repaired.write(part)
        part.replace(path)
        judged = self._judged(repaired)
        return Reply({**judged.data, "path": str(path)}, judged.buffers)

    def answer_sounds(self, start_s: float, end_s: float) -> Reply:
        """Original and edit (and repaired edit), cut alike, so that they run in step."""
        clips = self._edited.sounds if self._edited else (self._loaded(),)
        cuts = [clip.cut(start_s, end_s) for clip in clips]
        names = ["original", "edit", "spliced"][: len(cuts)]
        return Reply({"names": names}, [sound.encoded(cut) for cut in cuts])

    def _judged(self, clip: Clip) -> Reply:
        """Edges against the track's own distribution, and the audit of what was to stay."""
        edited = self._last()
        edges_s = [edge_s for edge_s in edited.edit.edges_s if edge_s is not None]
        seams = [_seam(clip, edge_s, edges_s) for edge_s in edges_s]
        kept = _audit(edited.edit, clip)
        data = {
            "take": edited.take.id,
            "notes": list(edited.take.notes),
            "duration_s": clip.duration_s,
            "spans": [list(span) for span in edited.edit.spans],
            "seams": seams,
            "kept": kept,
            "names": ["original", "edit", "spliced"][: len(edited.sounds)],
        }
        return Reply(data, _pictures(clip))

    def _last(self) -> _Edited:
        if self._edited is None:
            raise RequestError("nothing was edited yet: mark a window and press Inpaint.")
        return self._edited

    def _loaded(self) -> Clip:
        if self._source is None:
            raise RequestError("choose a source first.")
        return self._source


def _beats_s(clip: Clip) -> list[float]:
    subject = Subject(clip)
    try:
        tempo = estimate_tempo(subject.features)
    except AudioError:
        return []
    if tempo.tempo_bpm is None:
        return []
    return [round(float(beat_s), 4) for beat_s in track_beats(subject.features, tempo)]


def _pictures(clip: Clip) -> list[bytes]:
    return [sound.peaks(clip).tobytes(), sound.spectrogram_png(clip)]


def _seam(clip: Clip, edge_s: float, edges_s: Sequence[float]) -> dict[str, Any]:
    others = tuple(other_s for other_s in edges_s if other_s != edge_s)
    try:
        found: Seam = measure_seam(clip.samples, clip.rate_hz, edge_s, avoid_s=others)
    except AudioError as error:
        return {"edge_s": edge_s, "verdict": "unknown", "why": str(error)}
    return {
        "edge_s": edge_s,
        "verdict": found.verdict,
        "score": found.score,
        "false_alarm_rate": found.false_alarm_rate,
        "reasons": list(found.reasons[:_REASONS_SHOWN]),
        "elsewhere": list(found.elsewhere),
        "why": "",
    }


def _audit(edit: Edit, clip: Clip) -> dict[str, Any]:
    try:
        found = audit_untouched(edit.source, clip.samples, clip.rate_hz, edit.spans)
    except AudioError as error:
        return {"verdict": "unknown", "why": str(error)}
    told = {name: value for name, value in asdict(found).items() if name != "changed_s"}
    # JSON has no infinity: an identical waveform has no difference to state.
    told["kept_snr_db"] = None if found.verdict == "identical" else found.kept_snr_db
    return {**told, "changed_s": [list(stretch) for stretch in found.changed_s], "why": ""}
