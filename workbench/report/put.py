"""How a report's file comes to lie on the disk: whole, or not at all."""

from __future__ import annotations

import uuid
from pathlib import Path


def put(path: Path, content: str | bytes) -> Path:
    """Write a file under a name of its own and move it into place; gives `path`.

    Two processes may write the same report at once.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     put(Path(folder) / "a.txt", "whole").read_text()
    'whole'
    """
    incoming = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    incoming.write_bytes(content.encode() if isinstance(content, str) else content)
    return incoming.replace(path)
