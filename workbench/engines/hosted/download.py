"""Fetching a result: streamed, capped, from trusted hosts only, without any credential.

The bytes decide what a file is, not its name or its content type; it counts once it has been
decoded. Until then it lies under a temporary name, which goes away on any error.
"""

from __future__ import annotations

import re
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO
from urllib.parse import unquote

import httpx

from workbench.clip import Clip, sniff
from workbench.engines.hosted.faults import Missing, ServerFault, Unsure, retry_after_s
from workbench.engines.hosted.pace import Pause
from workbench.engines.hosted.settings import Limits, Service, host_of
from workbench.engines.hosted.wire import tls
from workbench.errors import AudioError, EngineBusy, EngineFailed

FILE_MAX_BYTES = 2 * 2**30
_HOPS_MAX = 10
_SLOWEST_BYTES_PER_S = 1024
_REDIRECTS = (301, 302, 303, 307, 308)


class Unsafe(EngineFailed):
    """The link or the file behind it is not one that we take."""


def audio_cap_bytes(duration_s: float) -> int:
    """Most bytes that a result of this length may have: stereo float32 at 96 kHz, and some.

    Examples
    --------
    >>> audio_cap_bytes(60) // 2**20, audio_cap_bytes(3600) == FILE_MAX_BYTES
    (56, True)
    """
    return min(FILE_MAX_BYTES, 8 * 2**20 + int(duration_s * 96_000 * 2 * 4 * 1.1))


def file_name(link: str) -> str:
    """A name for the file behind a link that is safe on every system.

    Examples
    --------
    >>> file_name("https://files.example/a/..%2F..%2Fetc%2Fpasswd?x=1"), file_name("https://a/")
    ('_.._etc_passwd', 'output')
    """
    path = re.split(r"[?#]", link, maxsplit=1)[0].partition("://")[2].partition("/")[2]
    parts = [part for part in path.split("/") if part]
    name = re.sub(r'[\\/:*?"<>|\x00-\x1f\x7f]', "_", unquote(parts[-1])) if parts else ""
    return name.strip(". ")[:120] or "output"


class Downloader:
    """Fetches files of one service.

    Parameters
    ----------
    service : Service
        Says which hosts are trusted. Its token stays here.
    limits : Limits
    engine : str
        For error messages.
    """

    def __init__(self, service: Service, limits: Limits, engine: str = "") -> None:
        self._service, self._limits = service, limits
        self._engine = engine

    @cached_property
    def _client(self) -> httpx.Client:
        client = httpx.Client(
            verify=tls(),
            timeout=httpx.Timeout(self._limits.stall_s, connect=self._limits.connect_s),
            headers={"Accept": "audio/*, application/octet-stream", "Accept-Encoding": "identity"},
            # File hosts' cookies are neither kept nor sent.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            trust_env=not self._service.is_loopback,
        )
        weakref.finalize(self, client.close)
        return client

    def fetch(
        self, link: str, cap_bytes: int, folder: Path, pause: Pause = time.sleep
    ) -> tuple[Path, Clip]:
        """The audio behind a link, as a file and decoded.

        Parameters
        ----------
        link : str
        cap_bytes : int
            A larger file is refused.
        folder : Path
            Where the file goes.
        pause : callable
            Called now and then; may raise to stop the download.

        Raises
        ------
        Missing
            If the link is gone or has expired.
        EngineBusy
            If the network or the host failed; worth another try.
        Unsafe
            If the host is not trusted, or the file is too large or no audio.
        """
        folder.mkdir(parents=True, exist_ok=True)
        part: Path | None = None
        try:
            with NamedTemporaryFile(
                dir=folder, prefix="take-", suffix=".part", delete=False
            ) as file:
                part = Path(file.name)
                with self._open(link) as response:
                    self._stream(response, file, cap_bytes, pause)
            return self._adopt(part, cap_bytes)
        finally:
            if part is not None:
                part.unlink(missing_ok=True)

    @contextmanager
    def _open(self, link: str) -> Iterator[httpx.Response]:
        """The reply at the end of the redirects, every hop's host checked before it is asked."""
        try:
            for _ in range(_HOPS_MAX + 1):
                if not self._service.trusts(link):
                    where = host_of(link) or "a malformed address"
                    raise Unsafe(
                        f"the result lies on {where}, which is no file host of "
                        f"{self._service.name}: it is not fetched.",
                        self._engine,
                    )
                with self._client.stream("GET", link) as response:
                    if response.status_code not in _REDIRECTS:
                        self._check_status(response)
                        yield response
                        return
                    link = str(response.url.join(response.headers.get("location", "")))
            raise Unsafe("the result's link redirects without end.", self._engine)
        except httpx.InvalidURL:
            raise Unsafe("the result's link redirects to no address.", self._engine) from None
        except httpx.HTTPError as error:
            raise Unsure(
                f"the download broke off ({type(error).__name__}): try again later.", self._engine
            ) from None

    def _check_status(self, response: httpx.Response) -> None:
        status = response.status_code
        if status in (403, 404, 410):
            raise Missing("the result's link has expired.", self._engine)
        if status == 429:
            wait_s = retry_after_s(response.headers)
            raise EngineBusy("the file host asks for fewer calls.", self._engine, wait_s)
        if status >= 500 or status == 408:
            raise ServerFault(f"the file host answers with status {status}.", self._engine)
        if status != 200:
            raise Unsafe(f"the file host answers with status {status}.", self._engine)

    def _stream(
        self, response: httpx.Response, file: IO[bytes], cap_bytes: int, pause: Pause
    ) -> None:
        promised = response.headers.get("content-length", "")
        if promised.isdigit() and int(promised) > cap_bytes:
            raise self._too_large(cap_bytes)
        size = 0
        # No overall deadline, because a large file may take long; but it must keep moving.
        started = time.monotonic()
        for chunk in response.iter_raw():
            pause(0.0)
            size += len(chunk)
            if size > cap_bytes:
                raise self._too_large(cap_bytes)
            elapsed_s = time.monotonic() - started
            if elapsed_s > max(self._limits.stall_s, size / _SLOWEST_BYTES_PER_S):
                raise Unsure("the download hardly moves: try again later.", self._engine)
            file.write(chunk)
        if not size:
            raise Unsafe("the result is empty.", self._engine)

    def _too_large(self, cap_bytes: int) -> Unsafe:
        return Unsafe(
            f"the result is larger than {cap_bytes / 2**20:.0f} MiB, which no audio of the length "
            "asked for needs.",
            self._engine,
        )

    def _adopt(self, part: Path, cap_bytes: int) -> tuple[Path, Clip]:
        """Give the file its suffix once it is known to be whole audio.

        Decoded to float32 it may be no larger than the cap, either: silence packs very well.
        """
        with part.open("rb") as file:
            suffix = sniff(file.read(16))
        if suffix is None:
            raise Unsafe("the result is no audio file.", self._engine)
        try:
            clip = Clip.read(part, samples_max=cap_bytes // 4)
        except AudioError as error:
            said = str(error).replace(part.name, "the result")
            raise Unsafe(said, self._engine) from None
        return part.rename(part.with_suffix(suffix)), clip
