"""The command line: thin, each command is one call of the public API.

Standard output carries results, standard error progress and faults. Exit codes follow the
hosted service's own client, so that scripts written for it keep working:

====  ==========================================================================
0     success
1     anything else: a failed or cancelled job, an unfinished study
64    bad command-line arguments
65    bad input: JSON, schema, audio that cannot be read; any other refusal
66    an input file that is not there
69    the far side is broken (5xx)
75    try again later: timeout, 408, 429
77    no token, or one that is refused
====  ==========================================================================
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from workbench.cli.app import app
from workbench.cli.exits import FAILURE, exit_code, one_sentence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code.

    Examples
    --------
    >>> main(["engines", "--no-such-option"])
    64
    """
    import workbench.cli.commands  # noqa: F401  (registers the commands)

    try:
        code = app(list(sys.argv[1:] if arguments is None else arguments), standalone_mode=False)
    except typer.Exit as stop:
        return int(stop.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("Stopped. What is done is kept; run the same command to go on.", err=True)
        return FAILURE
    except Exception as error:
        known = exit_code(error)
        if known is None:
            raise
        typer.echo(one_sentence(error), err=True)
        return known
    return int(code or 0)
