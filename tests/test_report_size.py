"""A report of 500 takes: how long it takes to write, how large it is, how soon it is read."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.browser import opened
from tests.conftest import silent
from workbench.engines.sketch import SketchEngine
from workbench.report import write_report
from workbench.request import Request
from workbench.study import Study
from workbench.sweep import Sweep

TAGS = ("house, 124 BPM", "jazz, 100 BPM", "lo-fi hip-hop, 75 BPM", "rock, 140 BPM", "ambient pad")


@pytest.mark.slow
def test_a_report_of_500_takes_can_be_mailed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = Request(tags="house", lyrics="[inst]", duration_s=10)
    sweep = Sweep(base, tags=TAGS, seed=range(100))
    with Study("large", sweep, [SketchEngine()], store=tmp_path) as study:
        assert study.run(watch=silent).made == 500
        began, spent = time.monotonic(), time.process_time()
        path = write_report(study.store, study.name)
        wall_s, cpu_s = time.monotonic() - began, time.process_time() - spent
        spent = time.process_time()
        write_report(study.store, study.name)
        again_s = time.process_time() - spent
    size_mb = path.stat().st_size / 1e6
    began = time.monotonic()
    with opened(path) as visit:
        players = visit.page.evaluate("document.querySelectorAll('audio').length")
        load_ms = visit.page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
        open_s = time.monotonic() - began
    with capsys.disabled():
        print(  # noqa: T201
            f"\nreport of 500 takes: written in {wall_s:.1f} s ({cpu_s:.1f} s of CPU; "
            f"{again_s:.1f} s with previews kept), {size_mb:.1f} MB, loaded {load_ms / 1000:.2f} s "
            f"after navigation ({open_s:.1f} s with the browser's start)"
        )
    assert players == 500
    assert size_mb <= 25
