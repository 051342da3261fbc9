"""Tables and names as a person sees them: text from outside is neither markup nor control codes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def printable(text: str) -> str:
    r"""Text from outside with what a terminal would obey, or cannot show, written out.

    Examples
    --------
    >>> printable("a\x1b[31m.wav"), printable("b\n.wav"), printable("日本 [s].wav")
    ('a\\x1b[31m.wav', 'b\\n.wav', '日本 [s].wav')
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under headings on standard output; all cells are plain text."""
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Column, Table
    from rich.text import Text

    # Text: in a plain string Rich takes a unit in brackets, such as [s], for a style.
    columns = [Column(header=Text(heading), no_wrap=True) for heading in headings]
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    # A line per row, however narrow the page: half a number is a wrong number.
    console = Console(highlight=False, width=10_000)
    console.width = Measurement.get(console, console.options, table).maximum
    console.print(table)
