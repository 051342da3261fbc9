"""The takes panel: all takes of a study, to sort, filter, hear and look at, while it still runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from workbench.errors import StoreError
from workbench.records import Place, Shown
from workbench.report import ruler
from workbench.request import Request
from workbench.take import Measurement, State, Take
from workbench.widgets import sound
from workbench.widgets.base import Panel, Reply

# Measurements that a row shows; a click on a take shows them all.
_COLUMNS = ("tempo_bpm", "tempo_match", "duration_s", "key", "loudness_lufs", "ear_strength")
_PAGE = 50


class TakesPanel(Panel):
    """All takes of a study, read page by page; follows a run in this or in another process.

    Parameters
    ----------
    store : path
        Folder of the store.
    study : str, optional
        Which study is shown first; the newest if not given.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     panel = TakesPanel(folder)
    ...     print(panel.answer("open", {}).data["studies"])
    ...     panel.close()
    []
    """

    script = "takes"

    def __init__(
        self, store: str | os.PathLike[str] = "runs/studio", study: str | None = None
    ) -> None:
        super().__init__(store)
        self.study = study
        self._counted = ("", 0)

    def answer_open(self) -> dict[str, Any]:
        """What the panel shows first."""
        studies = self.studies
        return {
            "studies": studies,
            "study": self.study if self.study in studies else next(iter(studies), None),
            "states": [*map(str, State), "missing"],
        }

    def answer_change(self, study: str) -> str:
        """Another text whenever something about the study changed."""
        return f"{self.store.last_change()} {self.store.plan_digest(study)}"

    def answer_page(
        self, study: str, shown: Mapping[str, Any], offset: int = 0, limit: int = _PAGE
    ) -> dict[str, Any]:
        """Rows of the table, how many there are in all, and the engines to filter by."""
        wanted = Shown(**shown)
        places = self.store.page(study, wanted, offset=offset, limit=min(limit, _PAGE))
        spec = self.store.study_spec(study)
        return {
            "total": self._total(study, wanted),
            "engines": [engine["name"] for engine in spec.get("engines", ())],
            "rows": [self._row(place, take) for place, take in places],
        }

    def _total(self, study: str, wanted: Shown) -> int:
        """Counted once for a filter, whatever the order, until something changes."""
        filters = wanted.model_copy(update={"sort": "position", "descending": False})
        key = f"{self.answer_change(study)} {study} {filters.model_dump_json()}"
        if self._counted[0] != key:
            self._counted = (key, self.store.count(study, filters))
        return self._counted[1]

    def _row(self, place: Place, take: Take | None) -> dict[str, Any]:
        request = place.request
        row: dict[str, Any] = {
            "id": take.id if take else None,
            "engine": place.engine,
            "state": str(take.state) if take else "missing",
            "reason": take.reason if take else "",
            "tags": request.tags,
            "seed": request.seed,
            "kind": request.kind,
            "asked_tempo_bpm": request.asked_tempo_bpm,
            "asked_duration_s": request.duration_s if isinstance(request, Request) else None,
            "asked_key": request.key,
            "has_audio": bool(take and take.audio),
            "cost_usd": float(take.charge.amount_usd) if take and take.charge else None,
        }
        if take and take.state is State.DONE:
            found = {m.name: m for m in self.store.measurements(take.id)}
            row |= {name: found[name].value for name in _COLUMNS if name in found}
        return row

    def answer_take(self, take_id: int) -> Reply:
        """Everything about one take, and the outline of its waveform."""
        take = self.store.take(take_id)
        data = {
            "id": take.id,
            "engine": take.engine,
            "state": str(take.state),
            "reason": take.reason,
            "notes": list(take.notes),
            "request": take.request.to_json(),
            "truth": {k: v for k, v in take.truth.items() if isinstance(v, str | int | float)},
            "measurements": [_told(m) for m in self.store.measurements(take.id)],
        }
        if not take.audio:
            return Reply(data)
        return Reply(data, [sound.outline(self.store.audio.path(take.audio))])

    def answer_audio(self, take_id: int) -> Reply:
        """The take's audio, always from the local copy."""
        take = self.store.take(take_id)
        if not take.audio:
            raise StoreError(f"take {take_id} has no audio: it is {take.state}.")
        return Reply(
            {"max_s": sound.PREVIEW_MAX_S}, [sound.preview(self.store.audio.path(take.audio))]
        )


def _told(measurement: Measurement) -> dict[str, Any]:
    """A measurement with what is known of its error."""
    return {
        "name": measurement.name,
        "value": measurement.value,
        "low": measurement.low,
        "high": measurement.high,
        "reason": measurement.reason,
        "method": measurement.method,
        "error": ruler(measurement.name)[1],
    }
