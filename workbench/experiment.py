"""Runs a template notebook with parameters through papermill; knows nothing of music.

An experiment is a folder ``experiments/NAME/`` with a ``params.yml``::

    question: Which tag set keeps its tempo best?
    notebook: tempo-fidelity.ipynb      # in notebooks/
    parameters: {seeds: 4}             # over the notebook's own defaults

A parameter may hold others; a dotted name such as ``study.engines`` changes one of them and
leaves the rest.

A run leaves a new folder with the executed notebook, whatever the notebook wrote into it, and
``provenance.json``. The notebook runs in a process of its own with that folder as its working
directory, so several experiments can run side by side. A run that broke off goes on in its own
folder: what its notebook left there, such as finished takes, is there for it to find.
"""

from __future__ import annotations

import copy
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any

import yaml

from workbench.errors import ExperimentError, RequestError
from workbench.provenance import provenance
from workbench.value import digest

if TYPE_CHECKING:
    from jupyter_client.manager import AsyncKernelManager

EXECUTED = "executed.ipynb"
PROVENANCE = "provenance.json"
ANSWER = "answer.json"
_ALWAYS_DIFFERENT = {"started_at", "ended_at", "again", "earlier"}
# What may make a second run come out otherwise, beside its parameters.
_CODE = ("notebook", "workbench", "commit", "lock", "packages", "python", "machine")


@dataclass(frozen=True)
class Experiment:
    """A question, the notebook that answers it, and the parameters it runs with."""

    name: str
    question: str
    notebook: Path
    parameters: Mapping[str, Any]


def experiments_folder(start: Path | None = None) -> Path:
    """The nearest ``experiments`` folder at or above the working directory.

    Raises
    ------
    RequestError
        If there is none.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "experiments").is_dir():
            return folder / "experiments"
    raise RequestError("there is no experiments folder here or above: go to the project's folder.")


def list_experiments(folder: Path) -> list[Experiment]:
    """All experiments of a folder, by name."""
    return [
        read_experiment(folder, path.parent.name) for path in sorted(folder.glob("*/params.yml"))
    ]


def read_experiment(folder: Path, name: str) -> Experiment:
    """One experiment by name.

    Raises
    ------
    RequestError
        If there is none of that name; the message lists those there are.
    """
    path = folder / name / "params.yml"
    if Path(name).name != name or not path.is_file():
        known = ", ".join(p.parent.name for p in sorted(folder.glob("*/params.yml"))) or "none"
        raise RequestError(f"there is no experiment {name!r} (there are: {known}).")
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    notebook = folder.parent / "notebooks" / data["notebook"]
    return Experiment(name, data["question"], notebook, data.get("parameters") or {})


def run_experiment(
    experiment: Experiment, changes: Mapping[str, Any], runs: Path, *, timeout_s: int = 3600
) -> Path:
    """Run an experiment; returns the new folder that holds everything it left.

    Parameters
    ----------
    experiment : Experiment
    changes : mapping
        Parameters over the experiment's own; a dotted name changes a part of one.
    runs : Path
        Where the new folder is made.
    timeout_s : int
        For one cell.

    Raises
    ------
    RequestError
        If a parameter is unknown; the message lists the known ones.
    ExperimentError
        If a cell fails; the executed notebook is saved and named in the error.
    """
    parameters = changed(experiment, changes)
    folder = _new_folder(runs, experiment.name)
    return _run_in(folder, experiment, _provenance(experiment, parameters), timeout_s)


def go_on(
    experiment: Experiment, changes: Mapping[str, Any], folder: Path, *, timeout_s: int = 3600
) -> Path:
    """Run an experiment once more in the folder of a run, where it finds what that run left.

    A run that broke off is finished so, and one whose budget or seeds are raised is enlarged;
    the record keeps when each try began and ended.

    Parameters
    ----------
    experiment : Experiment
        The run's own: parameters as `read_run` gives them.
    changes, timeout_s
        As for `run_experiment`.
    folder : Path
        The run's.

    Raises
    ------
    RequestError, ExperimentError
        As `run_experiment`.
    """
    before = read_run(folder)
    record = _provenance(experiment, changed(experiment, changes))
    tries = {name: before[name] for name in ("started_at", "ended_at", "failed") if name in before}
    record["earlier"] = [*before.get("earlier", []), tries]
    return _run_in(folder.resolve(), experiment, record, timeout_s)


def changed_since(record: Mapping[str, Any], experiment: Experiment) -> list[str]:
    """What of the code and its surroundings is not as a run's record says.

    Parameters
    ----------
    record : mapping
        As `read_run` gives it.
    experiment : Experiment
    """
    today = _provenance(experiment, {})
    return [name for name in _CODE if record.get(name) != today.get(name)]


def changed(experiment: Experiment, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The experiment's parameters with changes put in; all known to its notebook.

    Parameters
    ----------
    experiment : Experiment
    changes : mapping
        By name; a dotted name changes a part of a parameter.

    Raises
    ------
    RequestError
        If a parameter is unknown; the message lists the known ones.
    """
    import papermill

    known = papermill.inspect_notebook(str(experiment.notebook))
    parameters = copy.deepcopy(dict(experiment.parameters))
    for name, value in changes.items():
        _put(parameters, name, value)
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise RequestError(
            f"{experiment.name} has no parameter {', '.join(unknown)}: "
            f"it knows {', '.join(sorted(known))}."
        )
    return parameters


def _put(tree: dict[str, Any], name: str, value: Any) -> None:
    """Set a value by its dotted name; a name that is there as it stands comes first.

    Examples
    --------
    >>> tree = {"study": {"axes": {"options.steps": [8]}}}
    >>> _put(tree, "study.axes.options.steps", [8, 27])
    >>> _put(tree, "study.budget_usd", 2)
    >>> tree
    {'study': {'axes': {'options.steps': [8, 27]}, 'budget_usd': 2}}
    """
    head, dot, rest = name.partition(".")
    if name not in tree and dot and isinstance(tree.get(head), dict):
        _put(tree[head], rest, value)
    else:
        tree[name] = value


def _run_in(folder: Path, experiment: Experiment, record: dict[str, Any], timeout_s: int) -> Path:
    _write_json(folder / PROVENANCE, record)
    try:
        _execute(experiment, record["parameters"], folder, timeout_s)
    except ExperimentError as error:
        record["failed"] = str(error)
        raise
    finally:
        record["ended_at"] = _now()
        _write_json(folder / PROVENANCE, record)
    return folder


def read_run(folder: Path) -> dict[str, Any]:
    """What a run left on record: its provenance and, where it came so far, what it answered.

    Raises
    ------
    RequestError
        If the folder holds no run.
    """
    try:
        record = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise RequestError(f"{folder} holds no run: name a folder with a {PROVENANCE}.") from None
    answer = folder / ANSWER
    if answer.is_file():
        record |= json.loads(answer.read_text(encoding="utf-8"))
    return dict(record)


def leave_answer(
    question: str,
    sentences: Sequence[str],
    *,
    engines: Mapping[str, Mapping[str, Any]] | None = None,
    numbers: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> None:
    """Leave a run's answer beside its record, where `read_run` finds it.

    Parameters
    ----------
    question : str
    sentences : sequence of str
        The shortest way to say it first, the price last.
    engines : mapping, optional
        What decided the audio, by engine's name.
    numbers : mapping, optional
        What was estimated, by name, as two runs are compared in it.
    folder : Path, optional
        The run's; the working directory, which is a notebook's own, if not given.
    """
    said = {"question": question, "answer": list(sentences), "engines": dict(engines or {})}
    said["numbers"] = dict(numbers or {})
    _write_json((folder or Path()) / ANSWER, said)


def command(name: str, parameters: Mapping[str, Any]) -> str:
    """The command line that runs an experiment with these parameters.

    Examples
    --------
    >>> command("loop-bed", {"seeds": 2})
    'workbench experiment run loop-bed -p seeds=2'
    """
    words = ["workbench", "experiment", "run", name]
    for key, value in parameters.items():
        words += ["-p", f"{key}={json.dumps(value, ensure_ascii=False)}"]
    return shlex.join(words)


def compare_runs(one: Path, other: Path) -> dict[str, tuple[str, str]]:
    """What differs between two runs, by name: parameters one by one, code, engines, answers.

    Raises
    ------
    RequestError
        If a folder holds no run.
    """
    first, second = (_flat(read_run(folder)) for folder in (one, other))
    names = [name for name in {**first, **second} if name not in _ALWAYS_DIFFERENT]
    return {
        name: (first.get(name, "-"), second.get(name, "-"))
        for name in names
        if first.get(name) != second.get(name)
    }


def _flat(value: Any, name: str = "") -> dict[str, str]:
    """Nested data as one level of dotted names; of an answer its first sentence and its price.

    What lies between is compared by its numbers, which have names; sentences have only an order.
    """
    if name == "answer" and len(value) > 1:
        value = {"in a sentence": value[0], "price": value[-1]}
    if isinstance(value, Mapping):
        parts = [_flat(each, f"{name}.{key}" if name else str(key)) for key, each in value.items()]
        return {key: said for part in parts for key, said in part.items()}
    return {name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}


def _execute(
    experiment: Experiment, parameters: Mapping[str, Any], folder: Path, timeout_s: int
) -> None:
    import papermill
    from jupyter_core.utils import ensure_event_loop
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from traitlets.config import Config

    executed = folder / EXECUTED
    try:
        papermill.execute_notebook(
            str(experiment.notebook),
            str(executed),
            parameters=parameters,
            kernel_name="python3",
            kernel_manager_class=_own_kernel(),
            cwd=str(folder),
            execution_timeout=timeout_s,
            progress_bar=sys.stderr.isatty(),
            config=Config({"KernelManager": {"transport": "ipc"}}),
        )
    except papermill.PapermillExecutionError as error:
        raise ExperimentError(
            f"cell {error.exec_count} of {experiment.name} failed: {error.ename}: {error.evalue} "
            f"(the notebook as it ran: {executed}). The cell:\n\n{indent(error.source, '    ')}",
            error.exec_count,
            executed,
        ) from None
    except CellTimeoutError:
        raise ExperimentError(
            f"a cell of {experiment.name} took longer than {timeout_s} s (the notebook as far as "
            f"it ran: {executed}).",
            notebook=executed,
        ) from None
    except DeadKernelError:
        raise ExperimentError(
            f"the process that ran {experiment.name} ended early (the notebook as far as it ran: "
            f"{executed}).",
            notebook=executed,
        ) from None
    finally:
        loop = ensure_event_loop()  # the one that papermill's client left open
        if not loop.is_running():
            loop.close()


def _own_kernel() -> type[AsyncKernelManager]:
    """The kernel is this very Python, whatever kernels the user has registered."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class OwnKernel(AsyncKernelManager):
        @property
        def kernel_spec(self) -> KernelSpec:
            command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=command, display_name="Python 3", language="python")

    return OwnKernel


def _new_folder(runs: Path, name: str) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    for attempt in range(100):
        folder = runs / f"{name}-{stamp}{f'-{attempt}' if attempt else ''}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder.resolve()
    raise ExperimentError(f"cannot make a new folder in {runs}.")


def _provenance(experiment: Experiment, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What it takes to run this again: parameters, notebook, code, versions, machine."""
    return {
        "experiment": experiment.name,
        "question": experiment.question,
        "parameters": parameters,
        "again": command(experiment.name, parameters),
        "notebook": digest(experiment.notebook.read_text(encoding="utf-8")),
        **provenance(),
        "started_at": _now(),
    }


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    incoming = path.with_suffix(".tmp")
    incoming.write_text(json.dumps(data, indent=2, ensure_ascii=False), encoding="utf-8")
    incoming.replace(path)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
