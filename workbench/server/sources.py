"""Source audio from outside, fetched or decoded without trusting it.

An address is reached only if it is HTTPS on its usual port and every address that its host
resolves to is public. The connection goes to the very address that was checked, so a name that
resolves to something else a moment later changes nothing, and every redirect starts over. No
credential, cookie or proxy is involved. Size and time are capped.

References: OWASP, Server-Side Request Forgery Prevention; RFC 6890 (special addresses).
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import os
import re
import socket
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import httpcore
import httpx
import soundfile as sf

from workbench.clip import sniff
from workbench.errors import RequestError
from workbench.request import Source
from workbench.server.inputs import SourceFile

_FILE_MAX_BYTES = 700 * 2**20  # an hour of 48 kHz stereo in 16 bits
_DATA_MAX_BYTES = 16 * 2**20 + 65_536  # 16 MiB of samples, and a header
_DURATION_MAX_S = 3600.0
_FETCH_MAX_S = 30.0
_QUIET_MAX_S = 10.0
_HOPS_MAX = 5
_SUFFIXES = {".wav", ".mp3", ".flac"}
_REDIRECTS = {301, 302, 303, 307, 308}
_DATA_URI = re.compile(r"data:[\w.+/-]*(?:;[\w.+-]+=[\w.+-]+)*;base64,", re.ASCII)
# Addresses that stand for IPv4 ones behind a translator (RFC 6052, RFC 8215).
_TRANSLATED = ipaddress.ip_network("64:ff9b::/32")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet.

    Examples
    --------
    >>> [is_public(a) for a in ("1.1.1.1", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1")]
    [True, False, False, False]
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        if ip in _TRANSLATED or ip.sixtofour or ip.teredo or ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast


class _CheckedBackend(httpcore.NetworkBackend):
    """Connects to checked addresses only."""

    def __init__(self, private_hosts: frozenset[str]) -> None:
        self._private_hosts = private_hosts
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        if host not in self._private_hosts and not all(map(is_public, addresses)):
            raise RequestError(f"audio: {host} is not a public address.")
        return self._inner.connect_tcp(addresses[0], port, timeout, local_address, socket_options)


def take_in(audio: str, path: Path, private_hosts: frozenset[str]) -> SourceFile:
    """Put source audio into `path`, on disk when this returns.

    Parameters
    ----------
    audio : str
        An address or a base64 data URI.
    path : Path
        A new file; gone again if anything is wrong.
    private_hosts : frozenset of str
        Hosts that need not be public, and may speak plain http on any port.

    Raises
    ------
    RequestError
        If the audio cannot be had, is too large or too long, or is no MP3, WAV or FLAC.
    """
    try:
        with path.open("xb") as file:
            if audio.startswith("data:"):
                file.write(_decode(audio))
            else:
                _fetch(audio, file, private_hosts)
            file.flush()
            os.fsync(file.fileno())
        return SourceFile(Source.of(path), _duration_s(path))
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _decode(audio: str) -> bytes:
    head = _DATA_URI.match(audio, 0, 200)
    if head is None:
        raise RequestError("audio: write a data URI as 'data:audio/wav;base64,...'.")
    if (len(audio) - head.end()) * 3 // 4 > _DATA_MAX_BYTES:
        raise RequestError("audio: a data URI holds at most 16 MiB of samples.")
    try:
        return base64.b64decode(audio[head.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise RequestError("audio: the data URI is not valid base64.") from None


def _fetch(address: str, file: IO[bytes], private_hosts: frozenset[str]) -> None:
    deadline = time.monotonic() + _FETCH_MAX_S
    with httpcore.ConnectionPool(network_backend=_CheckedBackend(private_hosts)) as pool:
        try:
            url = httpx.URL(address)
            for _ in range(_HOPS_MAX):
                target = _get(pool, _checked_url(url, private_hosts), file, deadline)
                if target is None:
                    return
                url = url.join(target)
        except (httpx.InvalidURL, UnicodeError):
            raise RequestError("audio: this is no usable address.") from None
        except (OSError, httpcore.NetworkError, httpcore.TimeoutException) as error:
            raise RequestError(f"audio: {url.host} gave no answer.") from error
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
            raise RequestError(f"audio: {url.host} does not speak HTTP.") from error
    raise RequestError(f"audio: more than {_HOPS_MAX} redirects.")


def _checked_url(url: httpx.URL, private_hosts: frozenset[str]) -> httpcore.URL:
    is_private = url.host in private_hosts
    if url.userinfo or not url.host:
        raise RequestError("audio: give an address without user name and password.")
    if not is_private and (url.scheme != "https" or url.port is not None):
        raise RequestError("audio: give an https address on its usual port.")
    # Handed over in parts: a second parser of the text might read another host out of it.
    return httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
    )


def _get(
    pool: httpcore.ConnectionPool, url: httpcore.URL, file: IO[bytes], deadline: float
) -> str | None:
    """One hop: the body into `file`, or where a redirect points."""
    timeouts = dict.fromkeys(("connect", "read", "write", "pool"), _QUIET_MAX_S)
    headers: dict[bytes | str, bytes | str] = {
        "Host": url.host if url.port is None else url.host + b":%d" % url.port,
        "Accept": b"audio/*",
        "User-Agent": b"workbench",
    }
    with pool.stream("GET", url, headers=headers, extensions={"timeout": timeouts}) as response:
        if response.status in _REDIRECTS:
            return str(httpx.Headers(response.headers).get("location", ""))
        if response.status != 200:
            raise RequestError(f"audio: the address answered {response.status}.")
        size = 0
        for chunk in response.iter_stream():
            size += len(chunk)
            if size > _FILE_MAX_BYTES:
                raise RequestError(f"audio: more than {_FILE_MAX_BYTES // 2**20} MiB.")
            if time.monotonic() > deadline:
                raise RequestError(f"audio: not here after {_FETCH_MAX_S:g} s.")
            file.write(chunk)
    return None


def _duration_s(path: Path) -> float:
    """Length by the header alone; the engine's own reading finds damage."""
    with path.open("rb") as file:
        suffix = sniff(file.read(16))
    if suffix not in _SUFFIXES:
        raise RequestError("audio: give MP3, WAV or FLAC.")
    try:
        info = sf.info(path)
    except (sf.LibsndfileError, RuntimeError):
        raise RequestError("audio: the file is damaged or cut short.") from None
    duration_s = float(info.frames / info.samplerate)
    if not 0 < duration_s <= _DURATION_MAX_S:
        raise RequestError("audio: give more than nothing and at most 60 minutes.")
    return duration_s
