"""The models that the RunComfy side offers: id, name, price, inputs."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from workbench.cost import usd
from workbench.server.inputs import (
    AudioInpaint,
    AudioOutpaint,
    Inputs,
    MusicGeneration,
    TextToAudio,
    TextToAudio15,
)
from workbench.server.keys import micro


class Model(NamedTuple):
    """One model; the price is in dollars per second of output."""

    id: str
    display_name: str
    category: str
    price_usd: Decimal
    inputs: type[Inputs]

    def quote_micro(self, billed_s: float) -> int:
        """Price of an output `billed_s` seconds long, in millionths of a dollar.

        Examples
        --------
        >>> MODELS["acestep-ai/ace-step/text-to-audio"].quote_micro(60)
        12000
        """
        return micro(usd(self.price_usd * Decimal(str(billed_s))))

    def row(self, *, with_schema: bool) -> dict[str, Any]:
        """How the catalogue lists it."""
        schema = _schema(self.inputs)
        row: dict[str, Any] = {
            "model_id": self.id,
            "display_name": self.display_name,
            "kind": "model",
            "categories": [self.category],
            "base_price_usd": float(self.price_usd),
            "price_unit": "second",
            "pricing_note": "per second of output",
            "inputs": list(schema["properties"]),
            "required_inputs": schema["required"],
            "model_url": f"/v1/models/{self.id}",
        }
        return row | ({"input_schema": schema} if with_schema else {})


@cache
def _schema(inputs: type[Inputs]) -> dict[str, Any]:
    return inputs.model_json_schema()


_BASE = Decimal("0.0002")
_ALL = (
    Model(
        "acestep-ai/ace-step-1.5/text-to-audio",
        "ACE-Step 1.5 text to audio",
        "text-to-audio",
        Decimal("0.0003"),
        TextToAudio15,
    ),
    Model(
        "acestep-ai/ace-step/text-to-audio",
        "ACE-Step text to audio",
        "text-to-audio",
        _BASE,
        TextToAudio,
    ),
    Model(
        "acestep-ai/ace-step/audio-inpaint",
        "ACE-Step audio inpaint",
        "audio-to-audio",
        _BASE,
        AudioInpaint,
    ),
    Model(
        "acestep-ai/ace-step/audio-outpaint",
        "ACE-Step audio outpaint",
        "audio-to-audio",
        _BASE,
        AudioOutpaint,
    ),
    Model(
        "elevenlabs/elevenlabs/music-generation",
        "ElevenLabs music",
        "text-to-audio",
        Decimal("0.0083"),
        MusicGeneration,
    ),
)
MODELS: Mapping[str, Model] = {model.id: model for model in _ALL}
CATEGORIES = sorted({model.category for model in _ALL})
