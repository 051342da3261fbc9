"""What keeps credentials out of everything that is shown, logged or written down.

A token lives in a `Secret`, which shows itself to nobody; every text that comes from a far side
goes through `scrub` before it reaches a message or a record, because a reply may echo the token.
"""

from __future__ import annotations

import logging
import re
from typing import Any, NoReturn

from workbench.errors import RequestError

HIDDEN = "[hidden]"
_SHORTEST = 6  # below this, hiding a token in a text would hide half of the text
_known: set[str] = set()
_BEARER = re.compile(r"(?i)\b(bearer\s+)\S+")
_KEY = re.compile(r"\bsk-[A-Za-z0-9_-]{6,}")
_QUERY = re.compile(r"(https?://[^\s?\"'<>]+)\?[^\s\"'<>]*")


class Secret:
    """A token that no repr, log, pickle or traceback shows.

    Parameters
    ----------
    value : str
        1 to 4096 printable ASCII characters without blanks.

    Raises
    ------
    RequestError
        If the value cannot be a token. The message does not show it.

    Examples
    --------
    >>> token = Secret("tok-123456")
    >>> token, f"{token}", scrub("your token tok-123456 is bad")
    (Secret([hidden]), 'Secret([hidden])', 'your token [hidden] is bad')
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        if value.lower().startswith("bearer"):
            raise RequestError("the token starts with 'Bearer': give the token alone.")
        if not re.fullmatch(r"[!-~]{1,4096}", value):
            raise RequestError(
                "the token must be 1 to 4096 printable ASCII characters without blanks: "
                "copy it anew."
            )
        self._value = value
        if len(value) >= _SHORTEST:
            _known.add(value)

    def reveal(self) -> str:
        """The token itself, for the one place that sends it."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled: read the settings anew where they are needed.")


def scrub(text: str) -> str:
    """The text without any token seen so far, bearer headers, gateway keys and link signatures.

    Examples
    --------
    >>> scrub("GET https://files.example/a.wav?sig=1 with Bearer abc")
    'GET https://files.example/a.wav?[hidden] with Bearer [hidden]'
    """
    for value in tuple(_known):
        text = text.replace(value, HIDDEN)
    text = _QUERY.sub(rf"\1?{HIDDEN}", text)
    return _KEY.sub(HIDDEN, _BEARER.sub(rf"\1{HIDDEN}", text))


def scrub_json(data: Any) -> Any:
    """JSON data with every string scrubbed, keys included."""
    if isinstance(data, str):
        return scrub(data)
    if isinstance(data, dict):
        return {scrub(str(key)): scrub_json(value) for key, value in data.items()}
    return [scrub_json(item) for item in data] if isinstance(data, list) else data


def quoted(text: str) -> str:
    """What a far side said, fit for one of our messages: scrubbed, one line, at most 200 long."""
    line = " ".join(scrub(text).split())
    printable = "".join(letter for letter in line if letter.isprintable()).rstrip(". ")
    return printable if len(printable) <= 200 else printable[:197] + "..."


class _Scrubber(logging.Filter):
    """Rewrites what the HTTP libraries log."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = scrub(record.getMessage()), None
        return True


# A logger's filter does not see its children's records, so each one gets its own.
for _name in ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy"):
    logging.getLogger(_name).addFilter(_Scrubber())
