"""Engines behind HTTP: RunComfy (ACE-Step, ACE-Step 1.5, ElevenLabs) and SkyStudio.

Each constructor takes `Settings` (by default what the environment says) and gives an engine of
the contract in `workbench.engines.base`. Nothing is called on construction.

Money comes first: a paid call leaves only after its intent is on disk, is repeated only where
that cannot pay twice, and once a service has named a job it is followed by that name. See
`faults` for what each answer means, and `engine` for the order of steps.
"""

from __future__ import annotations

from workbench.engines.hosted.engine import HostedEngine
from workbench.engines.hosted.runcomfy import runcomfy_1_5, runcomfy_base, runcomfy_elevenlabs
from workbench.engines.hosted.settings import Limits, Settings
from workbench.engines.hosted.skystudio import skystudio_custom, skystudio_simple

__all__ = [
    "HostedEngine",
    "Limits",
    "Settings",
    "runcomfy_1_5",
    "runcomfy_base",
    "runcomfy_elevenlabs",
    "skystudio_custom",
    "skystudio_simple",
]
