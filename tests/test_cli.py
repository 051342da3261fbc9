"""The command line as a user meets it: what it prints, and its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from workbench import sketch
from workbench.cli import main
from workbench.clip import Clip
from workbench.measure import STANDARD


@pytest.fixture(scope="module")
def song() -> Clip:
    """Twelve seconds at 120 BPM, exactly."""
    plan, _ = sketch.plan_from_words(
        ["house"],
        lyrics_sections=[],
        tempo_bpm=120,
        key=None,
        time_signature=None,
        duration_s=12,
        seed=3,
        vocal=False,
    )
    samples, _ = sketch.render(plan)
    return Clip(samples, sketch.RATE_HZ)


def said(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_every_format_measures_alike(
    song: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"song{suffix}" for suffix in (".wav", ".flac", ".mp3", ".ogg", ".opus")]
    for name in names:
        song.write(tmp_path / name)
    code = main(["measure", *(str(tmp_path / n) for n in names), "--tempo-bpm", "120", "--json"])
    rows = json.loads(said(capsys)[0])
    assert code == 0
    assert [row["file"] for row in rows] == names
    for row in rows:
        assert row["tempo_bpm"] == pytest.approx(120, rel=0.005)
        assert row["tempo_match"] == "match"
        assert row["loudness_lufs"] == pytest.approx(rows[0]["loudness_lufs"], abs=0.2)
        assert row["duration_s"] == pytest.approx(12, abs=0.06)


def test_the_table_shows_what_was_asked_beside_what_was_heard(
    song: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song.write(tmp_path / "[red]song.wav")
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps([{"file": "[red]song.wav", "bpm": 60}]))
    path = str(tmp_path / "[red]song.wav")
    assert main(["measure", path, "--truth", str(truth)]) == 0
    out, _ = said(capsys)
    assert "[red]song.wav" in out  # a file name is text, never markup
    assert "double" in out


def test_headings_keep_their_units_and_every_gap_its_reason(
    song: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song.write(tmp_path / "song.wav")
    song.cut(0, 1).write(tmp_path / "short.wav")
    Clip(song.samples[:1], song.rate_hz).write(tmp_path / "mono.wav")
    paths = [str(tmp_path / name) for name in ("song.wav", "short.wav", "mono.wav")]
    assert main(["measure", *paths, "--key", "C minor", "--duration-s", "13"]) == 0
    out, _ = said(capsys)
    for heading in ("tempo [BPM]", "length [s]", "true peak [dBTP]", "range [LU]", "width [dB]"):
        assert heading in out
    assert "short.wav: tempo undefined: too short" in out
    assert "short.wav: key undefined" in out
    _, _, level, form = (line for line in out.splitlines() if line.startswith("mono.wav"))
    assert level.split()[-1] == "mono"
    assert "-1.00" in form, "length against the length asked"
    assert max(map(len, out.splitlines())) <= 100


def test_json_has_every_name_and_the_places(
    song: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    holed = song.samples.copy()
    holed[:, 5 * 48_000 : 5 * 48_000 + 960] = 0
    holed[:, 8 * 48_000 : 9 * 48_000] = 0
    (tmp_path / "deep").mkdir()
    Clip(holed, song.rate_hz).write(tmp_path / "deep" / "song.wav")
    path = str(tmp_path / "deep" / "song.wav")
    assert main(["measure", path, "--tempo-bpm", "60", "--json"]) == 0
    [row] = json.loads(said(capsys)[0])
    assert {name for measure in STANDARD for name in measure.quantities} < set(row)
    assert (row["file"], row["path"], row["asked_tempo_bpm"]) == ("song.wav", path, 60)
    assert row["reasons"]["duration_error_s"] == "not asked for"
    half = next(o for o in row["alternatives_bpm"] if o["tempo_ratio_class"] == "half")
    assert half["tempo_bpm"] == pytest.approx(60, abs=0.1)
    assert half["strength"] > 0
    assert np.diff(row["beats_s"]) == pytest.approx(0.5, abs=0.1)
    [[start_s, end_s]] = row["gaps_s"]
    assert (start_s, end_s) == pytest.approx((8, 9), abs=0.05)
    assert any(start_s == pytest.approx(5, abs=0.01) for start_s, _ in row["dropouts_s"])


@pytest.mark.parametrize("letters", ["\x1b[2J", "\n", "\u202e", "\udcff"])
def test_a_hostile_name_is_written_out_and_comes_back_whole(
    letters: str, song: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, absent = tmp_path / f"a{letters}.wav", tmp_path / f"no{letters}.wav"
    song.write(good)
    assert main(["measure", str(good), str(absent)]) == 66
    out, err = said(capsys)
    assert letters == "\n" or letters not in out
    assert letters.encode("unicode_escape").decode() in out
    assert "\x1b" not in err
    assert main(["measure", str(good), "--json"]) == 0
    out, _ = said(capsys)
    assert out.isascii()
    assert json.loads(out)[0]["path"] == str(good)


def test_samples_that_are_no_numbers_are_refused(
    song: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = song.samples.copy()
    broken[0, 7] = np.nan
    Clip(broken, song.rate_hz).write(tmp_path / "broken.wav")
    song.write(tmp_path / "song.wav")
    paths = [str(tmp_path / name) for name in ("broken.wav", "song.wav")]
    assert main(["measure", *paths, "--json"]) == 65
    out, err = said(capsys)
    assert [row["file"] for row in json.loads(out)] == ["song.wav"]
    assert "broken.wav holds NaN" in err


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (["--tempo-bpm", "0"], "tempo_bpm"),
        (["--key", "H"], "is no key"),
        (["--duration-s", "nan"], "duration_s"),
    ],
)
def test_an_impossible_wish_is_refused(
    wish: list[str],
    words: str,
    song: Clip,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    song.write(tmp_path / "song.wav")
    assert main(["measure", str(tmp_path / "song.wav"), *wish]) == 65
    assert words in said(capsys)[1]


@pytest.mark.parametrize(
    ("name", "content", "code", "words"),
    [
        ("notes.txt", b"hello there\n", 65, "is no audio file"),
        ("empty.wav", b"", 65, "is empty"),
        ("absent.wav", None, 66, "there is no file"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(
    name: str,
    content: bytes | None,
    code: int,
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert main(["measure", str(tmp_path / name)]) == code
    out, err = said(capsys)
    assert out == ""
    assert words in err
    assert len(err.splitlines()) == 1


def test_a_truncated_file_and_a_folder_are_refused_beside_a_good_one(
    song: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song.write(tmp_path / "good.flac")
    whole = (tmp_path / "good.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
    paths = [str(tmp_path / "cut.flac"), str(tmp_path), str(tmp_path / "good.flac")]
    assert main(["measure", *paths]) == 65
    out, err = said(capsys)
    assert "good.flac" in out
    assert "cut.flac is damaged or cut short" in err
    assert "is a folder" in err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nothing-like-this"], 64),
        (["measure"], 64),
        (["measure", "--tempo-bpm", "fast", "a.wav"], 64),
        (["generate", "sketch", "--input", '{"tags": '], 65),
        (["generate", "sketch", "--input", "[]"], 65),
        (["generate", "sketch", "--input", '{"lyrics": "la"}'], 65),
        (["generate", "sketch", "--input", '{"tags": "a", "colour": "red"}'], 65),
        (["generate", "sketch", "--input", '{"tags": "a", "duration": 2}'], 65),
        (["generate", "sketch", "--input", '{"tags": "a", "audio": "absent.wav"}'], 66),
        (["generate", "sketch", "--input", "@absent.json"], 66),
        (["generate", "no-engine", "--input", '{"tags": "a"}'], 65),
        (["sweep", "absent.yml"], 66),
        (["report", "absent"], 1),
        (["experiment", "run", "absent"], 65),
        (["experiment", "run", "tempo-by-tags", "-p", "seeds"], 64),
    ],
)
def test_exit_codes(arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == code
    _, err = said(capsys)
    assert err.startswith("workbench: ")
    assert "Traceback" not in err


def generate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wish: dict[str, object]
) -> dict[str, object]:
    arguments = ["--input", json.dumps(wish), "--output-dir", str(tmp_path / "out")]
    assert main(["generate", "sketch", *arguments]) == 0
    return dict(json.loads(said(capsys)[0]))


def test_generate_takes_the_fields_of_the_public_contract(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = generate(
        tmp_path,
        capsys,
        {
            "tags": "lo-fi hip-hop, mellow, vinyl crackle, rhodes piano, soft drums, 75 BPM",
            "lyrics": "[inst]",
            "duration": 12,
            "seed": 42,
        },
    )
    clip = Clip.read(str(made["file"]))
    assert (clip.duration_s, clip.rate_hz, clip.channels) == (12.0, 48_000, 2)
    assert made["seed"] == 42


def test_generate_edits_a_file_and_keeps_the_rest(
    song: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song.write(tmp_path / "song.flac")
    source = str(tmp_path / "song.flac")
    edit = {"audio": source, "tags": "house, 120 BPM", "start_time": 4, "end_time": 6}
    clip = Clip.read(str(generate(tmp_path, capsys, edit)["file"]))
    same = (clip.samples == song.samples).all(axis=0)
    assert same[: 4 * 48_000].all()
    assert same[6 * 48_000 :].all()
    assert not same[4 * 48_000 : 6 * 48_000].all()
    longer = {
        "audio": source,
        "tags": "house, 120 BPM",
        "extend_before_duration": 3,
        "extend_after_duration": 2,
    }
    clip = Clip.read(str(generate(tmp_path, capsys, longer)["file"]))
    assert clip.duration_s == 17.0
    assert np.array_equal(clip.samples[:, 3 * 48_000 : 15 * 48_000], song.samples)


def test_generate_reads_a_file_and_standard_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    wish = json.dumps({"tags": "house", "duration": 6, "seed": 1})
    (tmp_path / "wish.json").write_text(wish)
    out = ["--output-dir", str(tmp_path / "out")]
    assert main(["generate", "sketch", "--input", f"@{tmp_path / 'wish.json'}", *out]) == 0
    first = json.loads(said(capsys)[0])["file"]
    monkeypatch.setattr("sys.stdin", io.StringIO(wish))
    assert main(["generate", "sketch", "--input", "-", *out]) == 0
    assert json.loads(said(capsys)[0])["file"] == first


STUDY = {
    "name": "small",
    "budget_usd": 1,
    "engines": [{"name": "sketch", "usd_per_hour": 0.1}],
    "base": {"tags": "house, 124 BPM", "duration_s": 6},
    "axes": {"seed": {"count": 2}},
}


def test_a_sweep_quotes_runs_reports_and_is_found_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "study.yml").write_text(yaml.safe_dump(STUDY))
    arguments = ["sweep", str(tmp_path / "study.yml"), "--store", str(tmp_path / "store")]
    assert main([*arguments, "--dry-run"]) == 0
    assert "2 to generate" in said(capsys)[0]
    assert main(arguments) == 0
    out, _ = said(capsys)
    assert "2 takes generated" in out
    report = Path(out.split("Report: ")[1].strip())
    assert report.is_file()
    assert main(arguments) == 0
    assert "All 2 takes were found, none generated" in said(capsys)[0]
    report.unlink()
    assert main(["report", str(tmp_path / "store")]) == 0
    assert report.is_file()


def test_a_sweep_that_is_not_complete_says_why_and_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = {**STUDY, "axes": {"duration_s": [2, 6]}}
    (tmp_path / "study.yml").write_text(yaml.safe_dump(short))
    assert main(["sweep", str(tmp_path / "study.yml"), "--store", str(tmp_path / "store")]) == 1
    out, err = said(capsys)
    assert "1 failed" in out
    assert "1 x sketch, failed: sketch renders 5 s or more" in err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": "red"}, "colour"),
        ({"axes": {"seed": {"from": 1}}}, "count: N"),
        ({"base": {"lyrics": "la"}}, "tags"),
        ({"engines": [{"name": "sketch", "speed": 2}]}, "speed"),
        ({"budget_usd": "much"}, "no amount of dollars"),
    ],
)
def test_a_study_file_with_a_fault_is_one_sentence(
    change: dict[str, object], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "study.yml").write_text(yaml.safe_dump({**STUDY, **change}))
    assert main(["sweep", str(tmp_path / "study.yml"), "--store", str(tmp_path / "s")]) == 65
    _, err = said(capsys)
    assert words in err
    assert not (tmp_path / "s").exists()


def test_doctor_and_engines_name_what_works(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engines"]) == 0
    assert "ok       sketch" in said(capsys)[0]
    assert main(["doctor"]) == 0
    out, _ = said(capsys)
    for name in (
        "python",
        "audio files",
        "disk",
        "extra notebook",
        "gpu",
        "browser",
        "engine sketch",
    ):
        assert f" {name}: " in out


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom workbench.cli import main\nmain(['--help'])\n"
        "heavy = {'torch', 'librosa', 'matplotlib', 'pandas', 'scipy', 'nbformat', 'papermill'}\n"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for command in ("generate", "sweep", "measure", "report", "experiment", "engines", "doctor"):
        assert command in done.stdout


def test_a_device_shares_the_work_and_changes_no_answer(
    song: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song.write(tmp_path / "a.wav")
    Clip(song.samples[:, ::-1], song.rate_hz).write(tmp_path / "b.wav")
    song.at_rate(44_100).write(tmp_path / "c.wav")
    song.cut(0, 1).write(tmp_path / "short.wav")
    (tmp_path / "not.wav").write_bytes(b"not audio at all")
    paths = [str(tmp_path / name) for name in ("a.wav", "not.wav", "b.wav", "c.wav", "short.wav")]
    assert main(["measure", *paths, "--json"]) == 65
    alone = json.loads(said(capsys)[0])
    assert main(["measure", *paths, "--json", "--device", "cpu"]) == 65
    out, err = said(capsys)
    together = json.loads(out)
    assert "not.wav is no audio file" in err
    assert [row["file"] for row in together] == ["a.wav", "b.wav", "c.wav", "short.wav"]
    assert together[3]["reasons"]["tempo_bpm"] == alone[3]["reasons"]["tempo_bpm"] != ""
    for one, other in zip(together[:3], alone[:3], strict=True):
        assert one["tempo_bpm"] == pytest.approx(other["tempo_bpm"], rel=1e-4)
        assert (one["key"], one["loudness_lufs"]) == (other["key"], other["loudness_lufs"])
        assert one["beats_s"] == pytest.approx(other["beats_s"], abs=0.01)


def test_a_device_that_is_not_there_is_said_in_a_sentence(
    song: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song.write(tmp_path / "a.wav")
    assert main(["measure", str(tmp_path / "a.wav"), "--device", "cuda:99"]) != 0
    out, err = said(capsys)
    assert out == ""
    assert "torch cannot compute on 'cuda:99' here" in err
    assert len(err.strip().splitlines()) == 1
