"""What a reader should know of each ruler: how it measures, and how wrong it is known to be.

The figures are those of `docs/measurements.md`, which says on what each was measured.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """One ruler's quantities, its method, and its known error, in words.

    Of an edit the names stand without ``_start`` and ``_end``; the first is what figures say.
    """

    quantities: tuple[str, ...]
    method: str
    error: str


KNOWN: tuple[Known, ...] = (
    Known(
        (
            "tempo_bpm",
            "tempo_error_pct",
            "tempo_folded_error_pct",
            "tempo_off_pct",
            "tempo_ratio_class",
            "tempo_match",
            "tempo_confidence",
            "tempo_stability_pct",
            "tempo_drift_pct_per_min",
        ),
        "pulse evidence over eight beat multiples on mel onset bands, refined on the Fourier size",
        "octave errors are common to all music and shown as half or double; see the ruler check",
    ),
    Known(
        ("loudness_lufs", "momentary_max_lufs"),
        "ITU-R BS.1770-4, gated",
        "within 0.1 LU of the generated test signals",
    ),
    Known(
        ("true_peak_dbtp", "sample_peak_dbfs"),
        "ITU-R BS.1770-4, oversampled; the sample peak as it is",
        "+0.2 / -0.4 dB; the sample peak is exact",
    ),
    Known(
        ("key", "key_margin", "key_confidence", "key_relative", "key_relation", "key_score"),
        "chroma with overtones removed, against the 24 rotations of two averaged key profiles",
        "exact in 95 % of 216 programmed clips; relative major and minor are often both right",
    ),
    Known(
        ("loudness_range_lu",),
        "EBU Tech 3342",
        "within 0.01 LU of the generated test signals",
    ),
    Known(
        ("clipped", "clipped_runs", "clipped_share", "overs"),
        "runs of three samples or more at the rail; samples beyond full scale",
        "over 99.9 % of 246,059 planted runs found, none of 120 clean channels called clipped; "
        "hidden by lossy codecs",
    ),
    Known(
        ("seam_score", "seam_verdict", "seam_reasons"),
        "statistics at the edge against other moments of the same clip, one fitted classifier",
        "1 % of untouched places read clear; 1 dB steps and splices on the beat are often missed",
    ),
    Known(
        ("kept_verdict", "kept_snr_db", "kept_mel_db", "kept_chroma"),
        "aligned in time and gain, then samples, log-mel and chroma compared outside of the span",
        "right for 121 of 126 built edits of seven kinds",
    ),
    Known(
        ("edit_extent_error_s",),
        "where log-mel differences cross half-way from outside the edit to inside",
        "69 of 72 edges within 0.25 s",
    ),
    Known(
        ("ear_strength",),
        "Bradley-Terry strength of the votes between takes",
        "interval by bootstrap over votes, in `rank_takes`; one listener is one opinion",
    ),
    Known(
        ("duration_s", "duration_error_s"),
        "decoded samples over rate",
        "exact for lossless files, 0.06 s for MP3",
    ),
    Known(
        ("lead_silence_s", "tail_silence_s", "music_end_s", "gaps"),
        "momentary loudness under max(-60 LUFS, integrated - 40 LU)",
        "0.02 s, the median of the largest error in each of 60 clips",
    ),
    Known(
        ("dropouts",),
        "40 dB and more under the level around, for 5 ms and more",
        "all of 240 planted holes of 6 to 50 ms found, and none elsewhere",
    ),
    Known(
        ("abrupt_end",),
        "the last 50 ms against the level of the last 2 s",
        "nine kinds of ending all told right, straight fades of 0.5 s in 95 % (60 clips each)",
    ),
    Known(
        ("width_db", "mono", "channel_correlation"),
        "the level of the sides against that of the middle",
        "a planted width is read within 0.0001 dB",
    ),
)

_BY_QUANTITY = {name: each for each in KNOWN for name in each.quantities}


def ruler(quantity: str) -> tuple[str, str]:
    """The quantity that a ruler is named by, and its known error; "" where none is on record.

    Examples
    --------
    >>> ruler("loudness_range_lu")
    ('loudness_range_lu', 'within 0.01 LU of the generated test signals')
    >>> ruler("tempo_off_pct")[0], ruler("seam_score_end")[0], ruler("taste")
    ('tempo_bpm', 'seam_score', ('taste', ''))
    """
    name = quantity.removesuffix("_start").removesuffix("_end")
    # `music_end` and the like are whole names.
    known = _BY_QUANTITY.get(quantity) or _BY_QUANTITY.get(name)
    return (known.quantities[0], known.error) if known else (quantity, "")
