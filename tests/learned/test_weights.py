"""Are models found on this disk, named by revision, and never asked for elsewhere?"""

import os
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.learned.conftest import write_tiny_clap
from workbench.errors import MetricUnavailable
from workbench.learned.aesthetics import load_aesthetics
from workbench.learned.clap import CLAP_MUSIC, load_clap
from workbench.learned.weights import find_weights

ROOT = Path(__file__).parents[2]
COMMIT = "0123456789abcdef0123456789abcdef01234567"  # pragma: allowlist secret


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub's."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def fill(cache: Path, name: str, model: Path) -> Path:
    """Lay a model into the cache as the hub's client does."""
    repository = cache / f"models--{name.replace('/', '--')}"
    shutil.copytree(model, repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    return repository / "snapshots" / COMMIT


def test_a_cached_model_is_known_by_its_commit(cache: Path, clap_folder: Path) -> None:
    snapshot = fill(cache, CLAP_MUSIC, clap_folder)
    found = load_clap().weights
    assert (found.name, found.revision, found.folder) == (CLAP_MUSIC, COMMIT, snapshot)


def test_a_folder_is_known_by_its_weights(tmp_path: Path, clap_folder: Path) -> None:
    found = find_weights(str(clap_folder))
    assert found.name == "tiny-clap"
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", found.revision)
    copy = shutil.copytree(clap_folder, tmp_path / "copy")
    assert find_weights(str(copy)).revision == found.revision
    write_tiny_clap(tmp_path / "other", seed=1)
    assert find_weights(str(tmp_path / "other")).revision != found.revision


# The hub's client tells the hub of itself once a day and process, so the process is a fresh one.
LEAVES = """
import socket, urllib.request
asked = []
def refuse(*address):
    asked.append(address)
    raise OSError("no network here")
socket.socket.connect = socket.getaddrinfo = refuse
from tests.learned.conftest import tone
from workbench.errors import MetricUnavailable
from workbench.learned.clap import load_clap, text_agreement
try:
    load_clap("no/such")
except MetricUnavailable:
    print(text_agreement(load_clap(), tone(2), "rhodes").revision)
print("asked" if asked else "silent")
try:
    urllib.request.urlopen("http://localhost")
except OSError:
    print("seen" if asked else "missed")
"""


def test_nothing_leaves_this_machine(tmp_path: Path, clap_folder: Path) -> None:
    fill(tmp_path / "hub", CLAP_MUSIC, clap_folder)
    hub = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    shown = subprocess.run(
        [sys.executable, "-c", LEAVES],
        env=hub | {"HF_HOME": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.split() == [COMMIT, "silent", "seen"]


@pytest.mark.parametrize("name", [CLAP_MUSIC, "no/such/name", "not a name", "nobody--x"])
def test_absent_weights_say_how_to_get_them(cache: Path, name: str) -> None:
    with pytest.raises(MetricUnavailable) as caught:
        load_clap(name)
    assert str(caught.value) == (
        f"{name} is not available: get it by `hf download {name}`, or name a folder that holds it."
    )
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def without_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def without_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def without_processor(folder: Path) -> None:
    (folder / "processor_config.json").unlink()


def with_one_tensor_less(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    del tensors["text_projection.linear1.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def cut_short(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])


def of_another_kind(folder: Path) -> None:
    from transformers import BertConfig, BertModel

    config = BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=1)
    BertModel(config).save_pretrained(folder)


@pytest.mark.parametrize(
    "spoil",
    [
        without_weights,
        without_config,
        without_tokenizer,
        without_processor,
        with_one_tensor_less,
        cut_short,
        of_another_kind,
    ],
)
def test_half_a_model_is_none(
    tmp_path: Path, clap_folder: Path, spoil: Callable[[Path], None]
) -> None:
    folder = shutil.copytree(clap_folder, tmp_path / "half")
    spoil(folder)
    with pytest.raises(MetricUnavailable, match="the model in half is not available: get all"):
        load_clap(str(folder))


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, clap_folder: Path) -> None:
    monkeypatch.setitem(sys.modules, "audiobox_aesthetics", None)
    with pytest.raises(MetricUnavailable, match="`pip install 'audiobox_aesthetics'`"):
        load_aesthetics()
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MetricUnavailable, match=re.escape("`pip install 'workbench[local]'`")):
        load_clap(str(clap_folder))


def test_importing_the_room_loads_nothing_heavy() -> None:
    probe = (
        "import sys, workbench.learned.clap, workbench.learned.aesthetics; "
        "print({'torch', 'transformers', 'scipy'} & sys.modules.keys())"
    )
    shown = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "set()"
