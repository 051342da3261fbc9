"""The report: what it says, and how it behaves in a browser without a network."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.browser import Visit, opened
from tests.conftest import TONE, Planted, silent
from workbench.clip import Clip
from workbench.cost import Charge, Quote, usd
from workbench.engines.base import Delivery
from workbench.engines.sketch import SketchEngine
from workbench.errors import EngineFailed, OutcomeUnknown
from workbench.report import Finding, answer, edges, numbers, page, write_report
from workbench.request import AnyRequest, Inpaint, Request, Span
from workbench.study import Study
from workbench.sweep import Sweep
from workbench.tables import table
from workbench.take import State

Make = Callable[..., Study]
SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(1)>'
HOSTILE = (
    f"{SCRIPT}, house, 124 BPM",
    f"{IMAGE}, jazz, 'single' \"double\" & $\\frac{{, {{{{ 7*7 }}}}, {'very ' * 60}long, 100 BPM",
    "موسيقى هادئة, عود, </title></style></svg>, 90 BPM",
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Study, Path]]:
    """A small study whose name, tags and failures come from someone who means harm."""
    folder = tmp_path_factory.mktemp("hostile")
    base = Request(tags="house", lyrics="[inst]", duration_s=6)
    sweep = Sweep(base, tags=HOSTILE, seed=range(2))
    bad = Planted(lambda request: EngineFailed(f"{IMAGE} {SCRIPT} broke."), name="bad")
    name = f"study {SCRIPT} {IMAGE}"
    with Study(name, sweep, [SketchEngine(), bad], store=folder / "store") as study:
        study.run(watch=silent)
        yield study, write_report(study.store, study.name, folder)


@pytest.fixture(scope="module")
def visit(hostile: tuple[Study, Path]) -> Iterator[Visit]:
    with opened(hostile[1]) as shown:
        shown.page.wait_for_function(
            "[...document.querySelectorAll('audio')].every(a => a.readyState > 0 || a.error)",
            timeout=60_000,
        )
        yield shown


def test_it_opens_offline_in_silence(visit: Visit) -> None:
    assert visit.console == []
    assert visit.outside == []
    assert visit.dialogs == []


def test_every_player_plays_about_what_it_should(visit: Visit) -> None:
    lengths = visit.page.evaluate("[...document.querySelectorAll('audio')].map(a => a.duration)")
    assert len(lengths) == 6
    assert all(5.8 < length < 6.3 for length in lengths)


def test_hostile_words_stand_as_text(visit: Visit) -> None:
    said = visit.page.evaluate("document.body.innerText")
    for words in (SCRIPT, IMAGE, "$\\frac{", "{{ 7*7 }}", "'single' \"double\" &", "موسيقى هادئة"):
        assert words in said
    assert visit.page.evaluate("document.querySelector('h1').innerText").startswith(
        "study <script>"
    )
    assert visit.page.evaluate("document.scripts.length") == 0
    assert visit.page.evaluate("document.querySelectorAll('[onerror], img[src=x]').length") == 0


def test_every_figure_is_drawn_and_described(visit: Visit) -> None:
    sizes = visit.page.evaluate(
        "[...document.images].map(i => [i.naturalWidth, i.alt.length, i.complete])"
    )
    assert len(sizes) == 2  # nothing was charged, so costs need no figure
    assert all(width > 100 and alt > 40 and complete for width, alt, complete in sizes)


def test_the_policy_forbids_scripts_and_addresses(
    visit: Visit, hostile: tuple[Study, Path]
) -> None:
    inner = '<script>document.title = "owned"</script><img src="https://example.org/x.png">'
    spoilt = hostile[1].with_name("spoilt.html")
    text = hostile[1].read_text(encoding="utf-8").replace("</main>", f"{inner}</main>")
    spoilt.write_text(text, encoding="utf-8")
    said: list[str] = []
    shown = visit.page.context.new_page()
    shown.on("console", lambda message: said.append(message.text))
    shown.goto(spoilt.as_uri())
    assert shown.title() != "owned"
    assert len([words for words in said if "Content Security Policy" in words]) == 2
    shown.close()


def test_it_can_be_read_by_its_headings_and_labels(visit: Visit) -> None:
    page_ = visit.page
    assert page_.evaluate("document.documentElement.lang") == "en"
    assert page_.evaluate("document.querySelectorAll('h1').length") == 1
    assert page_.evaluate("document.querySelectorAll('audio:not([aria-label])').length") == 0
    assert page_.evaluate("document.querySelectorAll('thead th:not([scope])').length") == 0
    targets = page_.evaluate(
        "[...document.querySelectorAll('a[href]')].map(a => [a.getAttribute('href'), "
        "document.querySelector(a.getAttribute('href')) !== null])"
    )
    assert len(targets) >= 8
    assert all(href.startswith("#") and found for href, found in targets)


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (1920, 1080)])
def test_it_fits_the_window(visit: Visit, width: int, height: int) -> None:
    visit.page.set_viewport_size({"width": width, "height": height})
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    over = visit.page.evaluate(
        "[...document.querySelectorAll('.wide')]"
        ".filter(e => e.scrollWidth > e.clientWidth + 1).length"
    )
    assert over == 0


def test_data_lie_beside_it_with_their_meaning(hostile: tuple[Study, Path]) -> None:
    study, path = hostile
    takes = pd.read_csv(path.with_name("takes.csv"))
    meanings = pd.read_csv(path.with_name("columns.csv"))
    assert list(takes.columns) == list(meanings["column"]) == list(table(study).columns)
    assert meanings["meaning"].notna().all()
    assert set(takes["tags"]) == set(HOSTILE)
    assert not list(path.parent.glob(".*"))


def text_of(study: Study, folder: Path) -> str:
    """The report's words, without its marks and addresses."""
    html = write_report(study.store, study.name, folder).read_text(encoding="utf-8")
    body = html.partition("<body>")[2]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))


def test_nothing_done_yet(planted_study: Make, tmp_path: Path) -> None:
    said = text_of(planted_study(Planted()), tmp_path)
    assert "No take could be judged on tempo" in said
    assert "0 of 6" in said
    assert "6 planted missing not run yet" in said
    assert "Nothing was begun" in said


def test_only_failed_takes(planted_study: Make, tmp_path: Path) -> None:
    study = planted_study(Planted(lambda request: EngineFailed("out of memory.")))
    study.run(watch=silent)
    said = text_of(study, tmp_path)
    assert "6 planted failed out of memory." in said
    assert "No take is done yet." in said


def test_takes_of_unknown_outcome_and_under_way_are_open_at_their_quote(
    planted_study: Make, tmp_path: Path
) -> None:
    lost = Planted(lambda request: OutcomeUnknown("no answer.") if request.seed == 0 else None)
    study = planted_study(lost)
    study.run(watch=silent)
    fresh = study.store.start_take(
        Request(tags="a", seed=1), "planted", lost.fingerprint, lost.quote(Request(tags="a"))
    )
    study.store.note_submitted(fresh.id, "job-1")
    (row,) = numbers.costs(table(study))
    assert row["open_usd"] == Decimal("0.20")  # a finished take counts before a newer one
    said = text_of(study, tmp_path)
    assert "unknown no answer." in said


def test_takes_never_measured_are_not_counted_as_misses(
    planted_study: Make, tmp_path: Path
) -> None:
    study = planted_study(Planted())
    study.run(watch=silent)
    takes = table(study)
    assert all(row["match"].n == 0 for row in numbers.groups(takes))
    assert answer(takes).startswith("No take could be judged")
    assert "6 of 6" in text_of(study, tmp_path)


def test_lost_audio_is_said_and_the_rest_plays(study: Study, tmp_path: Path) -> None:
    study.run(watch=silent)
    study.store.audio.path(study.takes()[0].audio).unlink()
    html = write_report(study.store, study.name, tmp_path).read_text(encoding="utf-8")
    assert html.count("the audio is gone") == 1
    assert html.count("<audio") == 3


def test_an_edit_is_reported_like_a_text(tmp_path: Path) -> None:
    source = tmp_path / "source.wav"
    text = Sweep(Request(tags="house, 124 BPM", duration_s=8))
    with Study("source", text, [SketchEngine()], store=tmp_path) as made:
        made.run(watch=silent)
        made.store.clip(made.takes()[0]).write(source)
    edit = Inpaint(tags="house, 124 BPM", source=source, span=Span(start_s=2, end_s=5))
    with Study("edit", Sweep(edit, seed=range(2)), [SketchEngine()], store=tmp_path) as study:
        study.run(watch=silent)
        takes = table(study)
        mixed = pd.concat([takes, table(tmp_path, "source")], ignore_index=True)
        assert "2 of 2" in text_of(study, tmp_path / "out")
        html = page.render(study.store, mixed, page.facts(study.store, "edit", mixed, Finding()))
    assert '<th scope="col">kind</th>' in html
    takes_html = html[html.index('<section id="takes">') :]
    assert takes_html.count("<td><bdi>inpaint</bdi></td>") == 2
    assert takes_html.count("<audio") == 3


def edited(folder: Path, **options: float) -> Study:
    """Inpaints of 16 s of house from 6 s to 10 s, with clean edges and as `options` spoil them."""
    source = folder / "source.wav"
    text = Sweep(Request(tags="house, loop, 124 BPM", lyrics="[inst]", duration_s=16))
    with Study("source", text, [SketchEngine()], store=folder) as made:
        made.run(watch=silent)
        made.store.clip(made.takes()[0]).write(source)
    edit = Inpaint(tags="house, 124 BPM", source=source, span=Span(start_s=6, end_s=10))
    axes: dict[str, Any] = {f"options.{name}": [0.0, value] for name, value in options.items()}
    return Study("edit", Sweep(edit, **axes), [SketchEngine()], store=folder)


def test_edges_stand_worst_first_with_the_sound_around_them(tmp_path: Path) -> None:
    with edited(tmp_path, seam_level_db=9.0) as study:
        study.run(watch=silent)
        done = table(study)
        found = edges.edges(study.store, done)
        sounds = edges.players(study.store, found)
        path = write_report(study.store, study.name, tmp_path / "out")
    loud = [edge.take["axis_options.seam_level_db"] for edge in found]
    assert loud == [9.0, 9.0, 0.0, 0.0]
    assert sorted((edge.side, edge.time_s) for edge in found[:2]) == [("end", 10.0), ("start", 6.0)]
    scores = [edge.score or 0.0 for edge in found]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.5
    for (address, fault), _ in zip(sounds, found, strict=True):
        heard = Clip.from_bytes(base64.b64decode(address.partition(",")[2]))
        assert not fault
        assert (heard.channels, heard.rate_hz) == (2, 48_000)
        assert heard.duration_s == pytest.approx(2 * edges.AROUND_S, abs=0.1)
    html = path.read_text(encoding="utf-8")
    assert html.count("<audio") == 2 + len(found)
    said = path.with_name("report.md").read_text(encoding="utf-8")
    assert "## Edges" in said
    assert said.count("| identical |") == len(found)


def test_the_sound_around_an_edge_holds_the_edge(tmp_path: Path) -> None:
    with edited(tmp_path, seam_level_db=9.0) as study:
        study.run(watch=silent)
        worst = edges.edges(study.store, table(study))[0]
        ((address, _),) = edges.players(study.store, [worst])
    heard = Clip.from_bytes(base64.b64decode(address.partition(",")[2])).samples
    middle = heard.shape[1] // 2
    outer, inner = sorted(float(half.std()) for half in (heard[:, :middle], heard[:, middle:]))
    assert 20 * np.log10(inner / outer) == pytest.approx(9, abs=3)


def test_edges_without_room_or_sound_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with edited(tmp_path, seam_level_db=9.0) as study:
        study.run(watch=silent)
        found = edges.edges(study.store, table(study))
        monkeypatch.setattr(edges, "PLAYERS_MAX_BYTES", 200_000)
        sounds = edges.players(study.store, found)
        assert [bool(address) for address, _ in sounds] == [True, False, False, False]
        assert "no room in this file" in sounds[-1][1]
        study.store.audio.path(found[0].take["audio"]).unlink()
        assert edges.players(study.store, found[:1]) == [("", "the audio is gone")]


def test_only_edits_have_edges(study: Study) -> None:
    study.run(watch=silent)
    assert edges.edges(study.store, table(study)) == []


class Billed(Planted):
    """Planted, with prices in dollars and credits of its own and a say on who states them."""

    def __init__(self, name: str, source: Any, quoted: str, charged: str, credits_: int) -> None:
        super().__init__(name=name)
        self.source, self.quoted, self.charged, self.credits = source, quoted, charged, credits_

    def quote(self, request: AnyRequest) -> Quote:
        return Quote(amount_usd=usd(self.quoted), credits=Decimal(self.credits))

    def generate(self, attempts: Any) -> Any:
        for attempt in attempts:
            charge = Charge(
                amount_usd=usd(self.charged), credits=Decimal(self.credits), source=self.source
            )
            if attempt.request.seed == 2 and attempt.request.tags == "b":
                yield attempt, OutcomeUnknown("no answer.")
            else:
                yield attempt, Delivery(TONE, sent={}, charge=charge)


def test_costs_of_several_engines_reconcile_to_the_cent(
    planted_study: Make, tmp_path: Path
) -> None:
    study = planted_study(
        Billed("hosted", "reported", "0.10", "0.07", 0),
        Billed("prepaid", "expected", "0.333333333", "0.333333333", 12),
        Billed("own", "measured", "0.000001", "0.000000411", 0),
    )
    study.run(watch=silent)
    rows = {row["engine"]: row for row in numbers.costs(table(study))}
    assert rows["hosted"]["quoted_usd"] == Decimal("0.60")
    assert rows["hosted"]["charged_usd"] == rows["hosted"]["reported_usd"] == Decimal("0.35")
    assert rows["hosted"]["difference_usd"] == Decimal("-0.15")
    assert rows["hosted"]["open_usd"] == Decimal("0.10")
    assert rows["prepaid"]["expected_usd"] == Decimal("1.666666665")
    assert rows["prepaid"]["difference_usd"] == 0
    assert (rows["prepaid"]["quoted_credits"], rows["prepaid"]["credits"]) == (72, 60)
    assert rows["own"]["measured_usd"] == Decimal("0.000002055")
    total = numbers.costs_total(list(rows.values()), study.store.spent_usd(study.name))
    assert total["charged_usd"] + total["open_usd"] == study.store.spent_usd(study.name)
    assert total["earlier_usd"] == 0
    said = text_of(study, tmp_path)
    assert "hosted 6 0.60 0.35 -0.15 0.35 0.00 0.00 0.10 0 0" in said
    assert "Engines compared" in said


def test_what_earlier_attempts_cost_is_said(planted_study: Make, tmp_path: Path) -> None:
    study = planted_study(Planted())
    study.run(watch=silent)
    take = study.store.start_take(
        Request(tags="a", seed=0),
        "planted",
        {"engine": "planted"},
        Quote(amount_usd=usd("0.10")),
    )
    study.store.end_take(take.id, State.FAILED, "broken file", Charge(amount_usd=usd("0.05")))
    total = numbers.costs_total(numbers.costs(table(study)), study.store.spent_usd("planted"))
    assert total["earlier_usd"] == Decimal("0.05")
    assert "0.53 USD, of which 0.05 USD on attempts" in text_of(study, tmp_path)


def frame(rows: Sequence[tuple[str, str, float | None]]) -> pd.DataFrame:
    """Finished takes at 100 BPM: style, engine, folded error."""
    return pd.DataFrame(
        {
            "style": [style for style, _, _ in rows],
            "engine": [engine for _, engine, _ in rows],
            "state": "done",
            "asked_tempo_bpm": 100.0,
            "tempo_folded_error_pct": pd.Series([error for *_, error in rows], dtype=float),
            "tempo_error_pct": pd.Series([error for *_, error in rows], dtype=float),
        }
    )


def test_the_answer_names_best_and_worst_and_whether_they_differ() -> None:
    good, bad = ("house", "one", 0.1), ("jazz", "one", 9.0)
    few, many = answer(frame([good] * 2 + [bad] * 2)), answer(frame([good] * 20 + [bad] * 20))
    assert "“house” on one kept its tempo best (100 % of 2 takes" in few
    assert "“jazz” on one kept its tempo worst (0 % of 2 takes" in few
    assert few.endswith("cannot be told apart.")
    assert many.endswith("do not touch.")
    assert answer(frame([good] * 3)) == (
        "100 % of 3 takes kept the tempo that was asked within 2 %, whole octaves aside."
    )


def test_takes_whose_tempo_was_not_found_stand_beside_the_share() -> None:
    (row,) = numbers.groups(frame([("house", "one", 0.1), ("house", "one", None)]))
    assert (row["match"].n, row["match"].mean, row["unjudged"]) == (1, 1.0, 1)


def test_the_sizes_of_errors_never_reach_below_zero() -> None:
    (row,) = numbers.groups(frame([("house", "one", 0.0), ("house", "one", 5.0)]))
    assert row["error"].low == 0


def test_the_ruler_is_checked_on_takes_of_known_tempo(study: Study) -> None:
    study.run(watch=silent)
    takes = table(study)
    assert "On the 4 takes" in numbers.ruler_check(takes)
    assert "within 2 % on 100 %" in numbers.ruler_check(takes)
    wrong = takes.assign(truth_tempo_bpm=takes["truth_tempo_bpm"] * 1.1)
    assert "within 2 % on 0 %" in numbers.ruler_check(wrong)
    assert numbers.ruler_check(takes.assign(truth_tempo_bpm=float("nan"))) == ""


def test_players_share_the_room_there_is(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study.run(watch=silent)
    whole = len(write_report(study.store, "trial", tmp_path).read_bytes())
    monkeypatch.setattr(page, "PREVIEWS_MAX_BYTES", 40_000)
    html = write_report(study.store, "trial", tmp_path).read_text(encoding="utf-8")
    assert html.count("<audio") == 2
    assert html.count("no room in this file") == 2
    assert len(html) < whole
    kept = sorted(path.name for path in (study.store.folder / "previews").iterdir())
    assert len(kept) == 6
    shortest = Clip.read(study.store.folder / "previews" / min(kept, key=lambda n: "-4" not in n))
    assert shortest.duration_s == pytest.approx(4, abs=0.1)
    again = write_report(study.store, "trial", tmp_path).read_text(encoding="utf-8")
    assert again.count("<audio") == 2
