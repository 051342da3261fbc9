"""The public names: pinned, all there, and not hidden by modules of the same name."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

import pytest

import workbench as wb

NAMES = """
    Attempt Axis Charge Clip Delivery Engine Inpaint Ledger Measure Measurement Outpaint Progress
    Quote Request Source Span State Store Study Subject Summary Sweep Take diversity engine errors
    measure measure_study player_html plots table widgets words
    write_report
"""


def test_the_public_names_are_these() -> None:
    assert sorted(wb.__all__) == sorted(NAMES.split())
    assert set(wb.__all__) <= set(dir(wb))


def test_every_name_is_there_whatever_was_imported_before() -> None:
    for module in pkgutil.iter_modules(wb.__path__):
        importlib.import_module(f"workbench.{module.name}")
    for name in wb.__all__:
        found = getattr(wb, name)
        is_module = name in {"errors", "measure", "plots", "widgets", "words"}
        assert isinstance(found, ModuleType) == is_module, name


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        wb.no_such_name  # noqa: B018
