"""What a question found, as a report shows it: sentences, numbers, figures, and their limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure


class Drawn(NamedTuple):
    """A figure with its title, and a caption that says how it was made and how sure it is."""

    title: str
    caption: str
    figure: Figure


@dataclass(frozen=True)
class Finding:
    """What was asked of a study, and what came of it.

    Parameters
    ----------
    question : str
    sentences : tuple of str
        The answer, the shortest way to say it first.
    limits : str
        What the answer does not cover.
    table : DataFrame
        The numbers behind the sentences.
    figures : tuple of Drawn
    again : str
        The command that makes it all anew.
    """

    question: str = ""
    sentences: tuple[str, ...] = ()
    limits: str = ""
    table: pd.DataFrame = field(default_factory=pd.DataFrame)
    figures: tuple[Drawn, ...] = ()
    again: str = ""
