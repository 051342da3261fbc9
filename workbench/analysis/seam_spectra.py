"""The spectra behind the seam statistics: bands, weights and what a steady sound would do.

Conventions: powers are of FFT bins without scaling; levels in dB; frequencies in Hz. Matrices are
(bands, bins) and each row is a weighted mean.

References: O'Shaughnessy, Speech Communication, 1987, p. 150 (the mel scale); Bello et al., IEEE
Trans. Speech Audio Process. 13(5), 2005 (complex-domain deviation); Godsill and Rayner, Digital
Audio Restoration, 1998, chapter 5 (linear prediction).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.signal

from workbench.analysis.loudness import k_weighting_sos
from workbench.analysis.products import DoubleArray, FloatArray

TINY = 1e-12
"""Added to powers before they divide."""

TREBLE_HZ = 9_000.0
"""Where the highest of the fine bands begin."""

_LOWEST_HZ = 40.0
_HIGHEST_HZ = 18_000.0
_FINE_BANDS = 12
# Levels are read down to this far under the loudest value.
_FLOOR_DB = 90.0


def band_edges_hz(bands: int, rate_hz: int) -> DoubleArray:
    """Edges of mel bands from 40 Hz to 18 kHz or near half the rate, (bands + 2,)."""
    top_hz = min(_HIGHEST_HZ, 0.46 * rate_hz)
    mel = np.linspace(_mel(_LOWEST_HZ), _mel(top_hz), bands + 2)
    edges: DoubleArray = 700 * (10 ** (mel / 2595) - 1)
    return edges


def _mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))


def band_matrix(bins_hz: npt.NDArray[np.floating], bands: int, rate_hz: int) -> FloatArray:
    """Triangular mel bands over FFT bins, (bands, bins), each row of sum 1."""
    edges = band_edges_hz(bands, rate_hz)
    low, centre, high = (edges[k : bands + k, None] for k in range(3))
    matrix = np.clip(
        np.minimum((bins_hz - low) / (centre - low), (high - bins_hz) / (high - centre)), 0, None
    )
    # A band narrower than a bin takes the nearest one.
    empty = matrix.sum(axis=1) == 0
    matrix[empty, np.abs(bins_hz - centre[empty]).argmin(axis=1)] = 1
    scaled: FloatArray = (matrix / matrix.sum(axis=1, keepdims=True)).astype(np.float32)
    return scaled


def fine_edges_hz(bins_hz: npt.NDArray[np.floating], rate_hz: int) -> DoubleArray:
    """Edges of 12 bands, the highest two above 9 kHz; 10 bands at rates that end below 13 kHz."""
    top_hz = min(_HIGHEST_HZ, 0.46 * rate_hz)
    low = np.geomspace(2 * bins_hz[1], min(TREBLE_HZ, top_hz), _FINE_BANDS - 2)
    return np.concatenate([[0.5 * bins_hz[1]], low, [13_000.0, top_hz] if top_hz > 13_000 else []])


def fine_matrix(bins_hz: npt.NDArray[np.floating], rate_hz: int) -> FloatArray:
    """Mean power of the bins in each of the fine bands, (bands, bins)."""
    edges = fine_edges_hz(bins_hz, rate_hz)
    matrix = (bins_hz >= edges[:-1, None]) & (bins_hz < edges[1:, None])
    mean = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    return np.asarray(mean, dtype=np.float32)


def chroma_matrix(bins_hz: npt.NDArray[np.floating]) -> FloatArray:
    """Weight of each FFT bin from 80 to 2 000 Hz on the 12 pitch classes, (12, bins)."""
    used = (bins_hz >= 80) & (bins_hz <= 2_000)
    semitones = 12 * np.log2(np.maximum(bins_hz, 1) / 440)
    distance = (semitones - np.arange(12)[:, None] + 6) % 12 - 6
    matrix: FloatArray = (np.exp(-0.5 * (distance / 0.5) ** 2) * used).astype(np.float32)
    return matrix


def decibels(power: npt.NDArray[np.floating]) -> DoubleArray:
    """10 log10, with a floor far under the loudest value."""
    floor = max(float(power.max()) * 10 ** (-_FLOOR_DB / 10), TINY)
    levels: DoubleArray = 10 * np.log10(power.astype(np.float64) + floor)
    return levels


def k_weighting(bins_hz: npt.NDArray[np.floating], rate_hz: int) -> FloatArray:
    """Power response of the K-weighting at some frequencies, (bins,)."""
    _, response = scipy.signal.freqz_sos(k_weighting_sos(rate_hz), bins_hz, fs=rate_hz)
    weighting: FloatArray = (np.abs(response) ** 2).astype(np.float32)
    return weighting


def phase_deviation(
    spectrum: npt.NDArray[np.complexfloating], power: npt.NDArray[np.floating]
) -> DoubleArray:
    """Distance to what steady tones would do, over the magnitude, frame by frame from the third."""
    size = np.sqrt(power)
    unit = spectrum / (size + TINY)
    expected = size[1:-1] * unit[1:-1] ** 2 * unit[:-2].conj()
    distance = np.abs(spectrum[2:] - expected).sum(axis=1)
    share: DoubleArray = distance / (size[2:].sum(axis=1) + size[1:-1].sum(axis=1) + TINY)
    return share


def prediction_residual(pieces: FloatArray, order: int) -> tuple[FloatArray, FloatArray]:
    """What linear prediction, fitted on each row, cannot explain, and its weights.

    The first `order` samples have no past; their residual is kept at zero.
    """
    tapered = pieces * np.hanning(pieces.shape[1])
    padded = scipy.fft.next_fast_len(2 * pieces.shape[1], real=True)
    power = np.abs(scipy.fft.rfft(tapered, padded, axis=1)) ** 2
    correlation = scipy.fft.irfft(power, padded, axis=1)[:, : order + 1]
    lags = np.abs(np.subtract.outer(np.arange(order), np.arange(order)))
    matrix = correlation[:, lags]
    # White noise 50 dB down keeps silence and pure tones solvable.
    matrix[:, lags == 0] *= 1 + 1e-5
    matrix[:, lags == 0] += TINY
    weights = np.linalg.solve(matrix, correlation[:, 1:, None])[:, :, 0].astype(np.float32)
    residual = pieces.copy()
    for k in range(order):
        residual[:, k + 1 :] -= weights[:, k, None] * pieces[:, : -k - 1]
    residual[:, :order] = 0
    return residual, weights


def step_response(residual: FloatArray, weights: FloatArray) -> FloatArray:
    """How much of a step of the waveform begins at each sample: the residual, matched to it.

    A step, seen through the prediction filter 1, -w1, -w2..., is the running sum of that filter.
    """
    filters = np.cumsum(np.pad(-weights, ((0, 0), (1, 0)), constant_values=1), axis=1)
    matched = np.zeros_like(residual)
    for k in range(filters.shape[1]):
        matched[:, : residual.shape[1] - k] += filters[:, k, None] * residual[:, k:]
    return np.abs(matched)
