"""Which exit code an error gives, and the sentence that is shown for it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import typer

from workbench.cli.tables import printable
from workbench.errors import (
    AudioError,
    EngineBusy,
    EngineError,
    EngineRefused,
    EngineUnavailable,
    FarSideBroken,
    RequestError,
    WorkbenchError,
)

OK = 0
FAILURE = 1
USAGE = 64
BAD_INPUT = 65
NO_INPUT = 66
FAR_SIDE_BROKEN = 69
TRY_LATER = 75
NO_PERMISSION = 77


@runtime_checkable
class ParserError(Protocol):
    """What the command-line parser raises; it keeps the class to itself."""

    exit_code: int

    def format_message(self) -> str: ...


# First match wins.
_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (FileNotFoundError, NO_INPUT),
    (RequestError, BAD_INPUT),
    (AudioError, BAD_INPUT),
    (EngineRefused, BAD_INPUT),
    (FarSideBroken, FAR_SIDE_BROKEN),
    (EngineBusy, TRY_LATER),
    (EngineUnavailable, NO_PERMISSION),
    (WorkbenchError, FAILURE),
    (OSError, FAILURE),
)


def exit_code(error: BaseException) -> int | None:
    """The exit code of an error that the user should see as a sentence; None for a defect.

    Examples
    --------
    >>> exit_code(AudioError("x is empty.")), exit_code(KeyError("x"))
    (65, None)
    """
    if isinstance(error, ParserError):
        return USAGE
    # A take that may still come keeps the fault that it met as its cause.
    if isinstance(error, EngineError) and isinstance(error.__cause__, EngineError):
        return exit_code(error.__cause__)
    return next((code for kind, code in _CODES if isinstance(error, kind)), None)


def one_sentence(error: BaseException) -> str:
    r"""An error as the user sees it; what a terminal would obey in it is written out.

    Examples
    --------
    >>> one_sentence(FileNotFoundError("there is no file \x1b[2Ja.wav."))
    'workbench: there is no file \\x1b[2Ja.wav.'
    """
    if isinstance(error, ParserError):
        said = error.format_message()
    elif isinstance(error, OSError) and error.strerror:
        said = f"{error.strerror}: {error.filename}."
    else:
        said = str(error)
    return "workbench: " + "\n".join(map(printable, said.split("\n")))


def tell_fault(error: Exception) -> int:
    """Say on standard error what is wrong with one of many files, and give its exit code.

    A defect of ours, which has no exit code, is raised again.
    """
    code = exit_code(error)
    if code is None:
        raise error
    typer.echo(one_sentence(error), err=True)
    return code
