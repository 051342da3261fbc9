"""The table: a row per place whatever became of it, units in names, numbers as numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.api.types import is_float_dtype, is_integer_dtype

from tests.conftest import TONE, Planted, silent
from workbench.engines.sketch import SketchEngine
from workbench.errors import EngineFailed, OutcomeUnknown, StoreError
from workbench.request import AnyRequest, Inpaint, Request, Span
from workbench.store import Store
from workbench.study import Study
from workbench.sweep import Sweep
from workbench.tables import COLUMNS, table
from workbench.take import Measurement

Make = Callable[..., Study]
_UNITS = ("_bpm", "_s", "_usd", "_credits", "_lufs", "_dbtp", "_dbfs", "_lu", "_pct", "_db")


def test_a_row_per_place_with_its_measurements(study: Study) -> None:
    study.run(watch=silent)
    takes = table(study)
    assert len(takes) == 4
    assert set(COLUMNS) <= set(takes.columns)
    assert takes["take_id"].is_unique
    assert list(takes["style"].unique()) == ["house", "jazz"]
    assert list(takes["tags"].unique()) == ["house, 124 BPM", "jazz, 100 BPM"]
    assert (takes["tempo_bpm"] - takes["truth_tempo_bpm"]).abs().max() < 0.02 * 124
    assert (takes["duration_s"] - 6).abs().max() < 0.1


def test_numbers_are_numbers_and_their_units_are_in_their_names(study: Study) -> None:
    study.run(watch=silent)
    takes = table(study)
    for name in takes.columns:
        if str(name).endswith(_UNITS):
            assert is_float_dtype(takes[name]), name
    for name in ("take_id", "received_seed", "seed"):
        assert is_integer_dtype(takes[name]), name


def test_dtypes_do_not_depend_on_what_is_done(study: Study) -> None:
    before = table(study)
    study.run(watch=silent)
    after = table(study)
    assert list(before["state"]) == ["missing"] * 4
    assert before["take_id"].isna().all()
    numbers = [c for c in before.columns if pd.api.types.is_numeric_dtype(before[c])]
    assert len(numbers) >= 10
    assert {c: str(before[c].dtype) for c in numbers} == {c: str(after[c].dtype) for c in numbers}


def test_failed_unknown_and_missing_places_are_rows_with_reasons(planted_study: Make) -> None:
    def script(request: AnyRequest) -> EngineFailed | OutcomeUnknown | None:
        if request.tags == "b":
            return EngineFailed("out of memory.")
        return OutcomeUnknown("no answer came.")

    study = planted_study(Planted(script), Planted(name="good"), budget_usd="0.45")
    study.run(watch=silent)
    takes = table(study)
    assert takes["state"].value_counts().to_dict() == {
        "missing": 8,  # the budget holds one round of four
        "done": 2,
        "failed": 1,
        "unknown": 1,
    }
    by_state = takes.groupby("state")["reason"].agg(set).to_dict()
    assert by_state["done"] == by_state["missing"] == {""}
    assert by_state["failed"] == {"out of memory."}
    assert by_state["unknown"] == {"no answer came."}
    failed = takes[takes["state"] == "failed"]
    assert failed["charged_usd"].isna().all()
    assert (failed["quoted_usd"] == 0.10).all()
    assert (takes.loc[takes["state"] == "done", "charged_usd"] == 0.08).all()
    assert (takes.loc[takes["state"] == "done", "charge_source"] == "reported").all()


def test_what_is_undefined_is_empty_with_its_reason_beside_it(planted_study: Make) -> None:
    study = planted_study(Planted())
    study.run(watch=silent)
    for number, take in enumerate(study.takes()):
        value = None if number else 120.0
        study.store.add_measurements(
            take.id,
            [
                Measurement(name="tempo_bpm", value=value, reason="no pulse" if number else ""),
                Measurement(name="all_empty_pct", reason="never"),
                Measurement(name="verdict", value="match" if number else None, reason="?"),
            ],
        )
    takes = table(study).set_index("take_id").sort_index()
    assert takes["tempo_bpm"].notna().sum() == 1
    assert takes["tempo_bpm_reason"].value_counts().to_dict() == {"no pulse": 5}
    assert is_float_dtype(takes["all_empty_pct"])
    assert takes["verdict"].value_counts().to_dict() == {"match": 5}


def test_further_axes_are_columns(tmp_path: Path) -> None:
    axes: Any = {"options.steps": [4, 8], "tempo_bpm": [90, 120]}
    sweep = Sweep(Request(tags="house", duration_s=6), **axes)
    with Study("axes", sweep, [Planted()], store=tmp_path, measures=()) as study:
        takes = table(study)
    assert list(takes["axis_options.steps"]) == [4, 4, 8, 8]
    assert list(takes["asked_tempo_bpm"]) == [90, 120, 90, 120]
    assert "axis_tempo_bpm" not in takes  # it has a column of its own


def test_edits_have_rows_without_a_length_asked(tmp_path: Path) -> None:
    source = tmp_path / "source.wav"
    TONE.write(source)
    edit = Inpaint(tags="house", source=source, span=Span(start_s=0.2, end_s=0.6))
    with Study("edit", Sweep(edit), [Planted()], store=tmp_path / "s", measures=()) as study:
        study.run(watch=silent)
        takes = table(study)
    assert list(takes["kind"]) == ["inpaint"]
    assert takes["asked_duration_s"].isna().all()
    assert is_float_dtype(takes["asked_duration_s"])


def test_a_store_with_two_studies_wants_a_name(sweep: Sweep, tmp_path: Path) -> None:
    other = Sweep(Request(tags="rock", duration_s=6))
    for name, chosen in (("one", sweep), ("two", other)):
        Study(name, chosen, [SketchEngine()], store=tmp_path, measures=()).close()
    with pytest.raises(StoreError, match=r"2 \(one, two\)"):
        table(tmp_path)
    with Store(tmp_path) as store:
        assert len(table(store, "one")) == 4
    assert len(table(tmp_path, "two")) == 1
    with pytest.raises(StoreError, match="no store"):
        table(tmp_path / "nowhere")
