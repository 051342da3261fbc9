"""What is at the edges of an edit, as a picture: waveform, spectrogram, and what stands out.

One column per edge, 2 s on either side of it. Numbers first (`stretch`), then ink; no plotting
state is touched.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.signal

from workbench.analysis.seams import Seam
from workbench.plots import COLOURS, Chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FloatArray = npt.NDArray[np.floating]

AROUND_S = 2.0
_COLUMNS = 800
_WINDOW, _HOP = 1024, 256
_RANGE_DB = 80.0
_HIGHEST_HZ = 16_000.0
_WIDTH_INCH, _HEIGHT_INCH = 6.0, 5.4
_LINE_LETTERS = 64


class Stretch(NamedTuple):
    """The sound around an edge, ready to draw.

    `times_s` (columns,) with the lowest and highest sample of each column; `levels_db`
    (frequencies, frames) from -80 to 0 under the loudest, and its `extent` (left, right, bottom,
    top) in seconds and kHz.
    """

    times_s: FloatArray
    lowest: FloatArray
    highest: FloatArray
    levels_db: FloatArray
    extent: tuple[float, float, float, float]


def stretch(samples: FloatArray, rate_hz: int, edge_s: float) -> Stretch:
    """Waveform and spectrogram of 2 s on either side of an edge, less where the clip ends.

    Parameters
    ----------
    samples : np.ndarray, float, shape (channels, n)
        The clip.
    rate_hz : int
        Its rate.
    edge_s : float
        The edge, within the clip.

    Returns
    -------
    Stretch

    Examples
    --------
    >>> step = np.concatenate([np.zeros(8000), np.ones(8000)])[None]
    >>> shown = stretch(step, 4000, 2.0)
    >>> float(shown.highest[0]), float(shown.highest[-1]), shown.extent[:2]
    (0.0, 1.0, (0.0, 4.0))
    """
    first = max(0, round((edge_s - AROUND_S) * rate_hz))
    mono = samples[:, first : round((edge_s + AROUND_S) * rate_hz)].mean(axis=0)
    edges = np.linspace(0, len(mono), min(_COLUMNS, len(mono)) + 1).astype(int)[:-1]
    hz, _, spectrum = scipy.signal.stft(
        mono, rate_hz, nperseg=min(_WINDOW, len(mono)), noverlap=min(_WINDOW, len(mono)) - _HOP
    )
    shown = hz <= _HIGHEST_HZ
    size = np.abs(spectrum[shown])
    levels_db = 20 * np.log10(np.maximum(size, 1e-12) / max(float(size.max()), 1e-12))
    start_s = first / rate_hz
    end_s = start_s + len(mono) / rate_hz
    return Stretch(
        times_s=start_s + edges / rate_hz,
        lowest=np.minimum.reduceat(mono, edges),
        highest=np.maximum.reduceat(mono, edges),
        levels_db=np.maximum(levels_db, -_RANGE_DB),
        extent=(start_s, end_s, 0.0, float(hz[shown][-1]) / 1000),
    )


def seam_figure(samples: FloatArray, rate_hz: int, seams: Sequence[Seam]) -> Figure:
    """Draw the edges of an edit side by side.

    Parameters
    ----------
    samples : np.ndarray, float, shape (channels, n)
        The edited clip; for a loop the clip twice over.
    rate_hz : int
        Its rate.
    seams : sequence of Seam
        Its edges as measured, at least one.

    Returns
    -------
    Figure
        Each column is headed by verdict, score and false-alarm rate; under it stand the reasons.
    """
    figure = Chart(figsize=(_WIDTH_INCH * len(seams), _HEIGHT_INCH), layout="constrained")
    rows = figure.subplots(
        3, len(seams), squeeze=False, height_ratios=(2.0, 3.0, 0.9), gridspec_kw={"hspace": 0.02}
    )
    for (wave, spectrum, words), seam in zip(rows.T, seams, strict=True):
        shown = stretch(samples, rate_hz, seam.edge_s)
        _draw_sound(wave, spectrum, shown, seam.edge_s)
        wave.set_title(heading(seam), fontsize=10)
        _write(words, seam.reasons)
    return figure


def heading(seam: Seam) -> str:
    """Verdict, score and false-alarm rate in one line."""
    return (
        f"edge at {seam.edge_s:.2f} s: {seam.verdict}, score {seam.score:.2f} "
        f"(as high at {100 * seam.false_alarm_rate:.2g} % of untouched places)"
    )


def _draw_sound(wave: Axes, spectrum: Axes, shown: Stretch, edge_s: float) -> None:
    wave.fill_between(shown.times_s, shown.lowest, shown.highest, color=COLOURS[0], linewidth=0.3)
    wave.set_ylabel("sample")
    spectrum.imshow(
        shown.levels_db, origin="lower", aspect="auto", extent=shown.extent, cmap="magma"
    )
    spectrum.set_ylabel("frequency [kHz]")
    spectrum.set_xlabel("time [s]")
    for axes in (wave, spectrum):
        axes.set_xlim(*shown.extent[:2])
        axes.axvline(edge_s, color=COLOURS[1], linewidth=1.4, linestyle="--")


def _write(axes: Axes, reasons: Sequence[str]) -> None:
    axes.set_axis_off()
    text = "; ".join(reasons) or "nothing stands out beyond the clip's own 95 % limits"
    lines = textwrap.wrap(text, _LINE_LETTERS, max_lines=5, placeholder=" ...")
    axes.text(0, 1, "\n".join(lines), va="top", fontsize=9, parse_math=False)
