"""What is read at an edge: every statistic by name, with its family, reach, grain and words.

The grains are in each statistic's own unit.

References: none; a table.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Statistic:
    """One statistic: its name, what it listens to, how far, the least spread that counts, words.

    The families are `FAMILIES`: each weighs its own statistics, apart from the others.
    The grain is in the statistic's own unit, about half its usual spread within a clip; it keeps
    music that repeats itself exactly from making mountains of nothing. Where nothing changes, a
    statistic `from_zero` is 0 in any music, whatever the median of the controls: `seams.robust_z`.
    """

    name: str
    family: str
    reach_s: float
    grain: float
    words: str
    from_zero: bool = False


FAMILIES = ("instant", "notes", "level", "colour", "beat", "pattern")
"""What an edge may break: the waveform at one instant, notes, level, tone colour, the beat, and the
pattern of what is heard when."""

STATISTICS = (
    Statistic("click", "instant", 0.1, 0.1, "a click in the waveform"),
    Statistic("rise", "instant", 0.25, 0.1, "a sudden rise in all bands"),
    Statistic("fall", "instant", 0.25, 0.1, "a sudden fall in all bands"),
    Statistic("treble_fall", "instant", 0.25, 0.15, "a sudden fall above 9 kHz"),
    Statistic("dip", "instant", 0.25, 1.5, "a short dropout"),
    Statistic("jump", "instant", 0.1, 0.07, "a click in the waveform"),
    Statistic("replaced_43ms", "notes", 0.1, 0.4, "one sound stops as another starts"),
    Statistic("replaced_85ms", "notes", 0.1, 0.6, "one sound stops as another starts"),
    Statistic("replaced_171ms", "notes", 0.2, 0.7, "one sound stops as another starts"),
    Statistic("turn_43ms", "notes", 0.1, 0.8, "the spectrum turns at once"),
    Statistic("turn_85ms", "notes", 0.1, 1.2, "the spectrum turns at once"),
    Statistic("phase_break", "notes", 0.7, 0.15, "held tones lose their phase"),
    Statistic("broken_tones", "notes", 0.2, 0.1, "held tones break off"),
    Statistic("heard_twice", "instant", 0.2, 0.1, "a moment is heard twice"),
    Statistic("stuttered", "instant", 0.1, 0.05, "a moment is heard twice"),
    Statistic("places_differ", "pattern", 1.5, 0.15, "like places go on differently"),
    Statistic("level_0.1s", "level", 0.1, 1, "a step in level"),
    Statistic("common_0.1s", "level", 0.1, 0.25, "all bands step in level together"),
    Statistic("spectral_0.1s", "colour", 0.1, 0.8, "a step in tone colour"),
    Statistic("upper_0.1s", "colour", 0.1, 1.2, "a step of the treble against the rest"),
    Statistic("level_0.4s", "level", 0.4, 0.4, "a step in level"),
    Statistic("common_0.4s", "level", 0.4, 0.25, "all bands step in level together"),
    Statistic("spectral_0.4s", "colour", 0.4, 0.5, "a step in tone colour"),
    Statistic("upper_0.4s", "colour", 0.4, 0.8, "a step of the treble against the rest"),
    Statistic("level_1.5s", "level", 1.5, 0.2, "a step in level"),
    Statistic("common_1.5s", "level", 1.5, 0.2, "all bands step in level together"),
    Statistic("spectral_1.5s", "colour", 1.5, 0.3, "a step in tone colour"),
    Statistic("upper_1.5s", "colour", 1.5, 0.5, "a step of the treble against the rest"),
    Statistic("level_4s", "level", 4, 1.1, "a step in level", from_zero=True),
    Statistic("common_4s", "level", 4, 0.2, "all bands step in level together"),
    Statistic("spectral_4s", "colour", 4, 0.3, "a step in tone colour"),
    Statistic("upper_4s", "colour", 4, 0.4, "a step of the treble against the rest"),
    Statistic("floor_1.5s", "colour", 1.5, 0.7, "the quiet moments change"),
    Statistic("floor_4s", "colour", 4, 0.5, "the quiet moments change"),
    Statistic("decay_1.5s", "colour", 1.5, 0.04, "sounds die away differently"),
    Statistic("decay_4s", "colour", 4, 0.04, "sounds die away differently"),
    Statistic("harmony_0.3s", "notes", 0.3, 0.02, "a change of harmony"),
    Statistic("harmony_1.5s", "notes", 1.5, 0.02, "a change of harmony"),
    Statistic("matched_level", "level", 4, 0.5, "like sounds are louder or softer", from_zero=True),
    Statistic(
        "matched_level_8s", "level", 8, 0.5, "like sounds are louder or softer", from_zero=True
    ),
    Statistic("matched_upper_8s", "colour", 8, 0.1, "like sounds change their tone colour"),
    Statistic("matched_spectrum", "colour", 4, 0.1, "like sounds change their tone colour"),
    Statistic("matched_widths", "colour", 4, 0.1, "like sounds change their stereo width"),
    Statistic("unlike", "colour", 4, 0.2, "what follows is unlike what was before"),
    Statistic("slip_ms", "beat", 12, 20, "the beat slips", from_zero=True),
    Statistic("slip_gain", "beat", 12, 0.1, "the beat slips", from_zero=True),
    Statistic("pattern_gain", "pattern", 12, 0.1, "the pattern slips", from_zero=True),
    Statistic("pattern_break", "pattern", 12, 0.2, "the pattern does not go on"),
)
"""What is read at each time, in this order."""
