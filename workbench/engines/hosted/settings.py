"""Where the hosted services are, who we are there, and which hosts may hand us files.

Everything comes from the environment, as the official RunComfy client reads it, so one set-up
serves both: ``RUNCOMFY_MODEL_API_BASE``, ``RUNCOMFY_SERVERLESS_API_BASE``, ``RUNCOMFY_WEB_BASE``,
``RUNCOMFY_TOKEN``, ``RUNCOMFY_CONFIG_DIR`` with its ``token.json``; ``SKYSTUDIO_API_BASE``,
``SKYSTUDIO_API_KEY`` and ``SKYSTUDIO_USD_PER_CREDIT``. A blank variable counts as unset.
"""

from __future__ import annotations

import ipaddress
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Self

import httpx

from workbench.engines.hosted.faults import SignInNeeded
from workbench.engines.hosted.redact import Secret
from workbench.errors import EngineUnavailable, RequestError

# The variable that sets each base, and the service's own address.
OFFICIAL = {
    "RUNCOMFY_MODEL_API_BASE": "https://model-api.runcomfy.net/v1",
    "RUNCOMFY_SERVERLESS_API_BASE": "https://api.runcomfy.net/prod/v2",
    "RUNCOMFY_WEB_BASE": "https://www.runcomfy.com/api/cli-auth",
    "SKYSTUDIO_API_BASE": "https://api.skystudioai.com/api/v1",
}
# A leading dot trusts the hosts below; without one it is that host alone.
RUNCOMFY_FILES = ("runcomfy.net", ".runcomfy.net", "runcomfy.com", ".runcomfy.com")
SKYSTUDIO_FILES = ("assets.skystudios.app",)


def host_of(link: str) -> str:
    """The host that a link points at, for a message; "" if it is not plainly one."""
    url = _parse(link)
    return url.host if url else ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _parse(url: str) -> httpx.URL | None:
    """The address, or None if it is not plainly one (backslashes, blanks, user names)."""
    if not url.isascii() or not url.isprintable() or set(url) & set("\\ @"):
        return None
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return None
    return parsed if parsed.host and not parsed.userinfo else None


@dataclass(frozen=True)
class Limits:
    """How long we wait; seconds.

    Parameters
    ----------
    connect_s, get_s, submit_s : float
        For a connection, for a read, and for a submit in all.
    stall_s : float
        How long a download may go without a byte.
    retry_s : float
        How long reads, and submits surely refused, are repeated before we give up for now.
    follow_s : float
        How long one job is followed before we give up for now.
    """

    connect_s: float = 10.0
    get_s: float = 30.0
    submit_s: float = 100.0
    stall_s: float = 60.0
    retry_s: float = 120.0
    follow_s: float = 1800.0


@dataclass(frozen=True)
class Service:
    """One hosted service.

    Parameters
    ----------
    name : str
        As people know it.
    base : str
        Address before the paths; https, or http on a loopback host.
    token : Secret or None
    file_hosts : tuple of str
        Hosts whose https links are downloaded; a leading dot stands for all hosts below.
    sign_in : str
        What to do when there is no token or it is rejected.
    variable : str
        The environment variable that sets the base.

    Raises
    ------
    EngineUnavailable
        If the base is not allowed.
    """

    name: str
    base: str
    token: Secret | None
    file_hosts: tuple[str, ...]
    sign_in: str
    variable: str

    def __post_init__(self) -> None:
        url = _parse(self.base)
        secure = url is not None and url.scheme == "https"
        if url is None or not (secure or (url.scheme == "http" and _is_loopback(url.host))):
            raise EngineUnavailable(
                f"{self.variable} must be an https address (plain http only on a loopback host): "
                "correct it or unset it."
            )
        if url.query or url.fragment:
            raise EngineUnavailable(f"{self.variable} must not hold '?' or '#': correct it.")
        object.__setattr__(self, "base", self.base.rstrip("/"))

    @property
    def is_loopback(self) -> bool:
        """Whether the service runs on this machine."""
        return _is_loopback(httpx.URL(self.base).host)

    @property
    def is_official(self) -> bool:
        """Whether this is the service itself, not a server that speaks like it."""
        return self.base == OFFICIAL.get(self.variable)

    @property
    def host(self) -> str:
        """The base's host name."""
        return httpx.URL(self.base).host

    def need_token(self) -> Secret:
        """The token.

        Raises
        ------
        SignInNeeded
            If there is none.
        """
        if self.token is None:
            raise SignInNeeded(f"{self.name} needs a token: {self.sign_in}.")
        return self.token

    def trusts(self, link: str) -> bool:
        """Whether a file may be fetched from there.

        Only https at its usual port on a listed host; a loopback service may also hand out
        links to itself.

        Examples
        --------
        >>> service = Settings.from_env({}).runcomfy
        >>> service.trusts("https://files.runcomfy.net/a.wav")
        True
        >>> service.trusts("https://runcomfy.net.evil.example/a.wav")
        False
        """
        url = _parse(link)
        if url is None:
            return False
        if self.is_loopback:
            own = httpx.URL(self.base)
            if (url.scheme, url.host, url.port) == (own.scheme, own.host, own.port):
                return True
        listed = any(
            url.host.endswith(host) if host.startswith(".") else url.host == host
            for host in self.file_hosts
        )
        return url.scheme == "https" and url.port is None and listed


@dataclass(frozen=True)
class Settings:
    """All that the hosted engines need to know of their surroundings; see `from_env`.

    Parameters
    ----------
    runcomfy, wallet, web, skystudio : Service
        RunComfy's models, its wallet and its sign-in, and SkyStudio.
    config_dir : Path
        Where RunComfy's ``token.json`` lies.
    usd_per_credit : Decimal or None
        What a SkyStudio credit costs us; None counts credits only.
    limits : Limits
    """

    runcomfy: Service
    wallet: Service
    web: Service
    skystudio: Service
    config_dir: Path
    usd_per_credit: Decimal | None = None
    limits: Limits = Limits()

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Self:
        """Settings as the environment says (`os.environ` if none is given).

        Raises
        ------
        EngineUnavailable
            If an address, a token or a price in it is impossible; the message names it.
        """
        said = {k: v.strip() for k, v in (os.environ if env is None else env).items() if v.strip()}
        folder = config_dir(said)
        token = _secret(said, "RUNCOMFY_TOKEN") or stored_token(folder)
        runcomfy = Service(
            name="RunComfy",
            base=_base(said, "RUNCOMFY_MODEL_API_BASE"),
            token=token,
            file_hosts=RUNCOMFY_FILES,
            sign_in="run `workbench login runcomfy` or set RUNCOMFY_TOKEN",
            variable="RUNCOMFY_MODEL_API_BASE",
        )
        skystudio = Service(
            name="SkyStudio",
            base=_base(said, "SKYSTUDIO_API_BASE"),
            token=_secret(said, "SKYSTUDIO_API_KEY"),
            file_hosts=SKYSTUDIO_FILES,
            sign_in="set SKYSTUDIO_API_KEY to a valid key",
            variable="SKYSTUDIO_API_BASE",
        )
        wallet, web = "RUNCOMFY_SERVERLESS_API_BASE", "RUNCOMFY_WEB_BASE"
        return cls(
            runcomfy,
            replace(runcomfy, base=_base(said, wallet), variable=wallet),
            replace(runcomfy, base=_base(said, web), variable=web, token=None),
            skystudio,
            folder,
            _usd_per_credit(said.get("SKYSTUDIO_USD_PER_CREDIT")),
        )


def config_dir(env: Mapping[str, str]) -> Path:
    """Where the official client keeps ``token.json``: the same rule on every system."""
    if "RUNCOMFY_CONFIG_DIR" in env:
        return Path(env["RUNCOMFY_CONFIG_DIR"])
    home = Path(env["HOME"]) if "HOME" in env else Path.home()
    return Path(env.get("XDG_CONFIG_HOME", home / ".config")) / "runcomfy"


def stored_token(folder: Path) -> Secret | None:
    """The token that a sign-in left in this folder, or None.

    Raises
    ------
    SignInNeeded
        If the file is unreadable, or its token has expired.
    """
    path = folder / "token.json"
    again = "run `workbench login runcomfy` again"
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
        token, expires_at = data["access_token"].strip(), data.get("expires_at")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise SignInNeeded(f"token.json in {folder} is unreadable: {again}.") from None
    if isinstance(expires_at, int) and expires_at <= time.time():
        raise SignInNeeded(f"the RunComfy sign-in has expired: {again}.")
    try:
        return Secret(token) if token else None
    except RequestError as error:
        raise SignInNeeded(f"token.json in {folder}: {error}") from None


def _base(env: Mapping[str, str], variable: str) -> str:
    return env.get(variable, OFFICIAL[variable])


def _secret(env: Mapping[str, str], variable: str) -> Secret | None:
    if variable not in env:
        return None
    try:
        return Secret(env[variable])
    except RequestError as error:
        raise SignInNeeded(f"{variable}: {error}") from None


def _usd_per_credit(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        price = Decimal(text)
    except InvalidOperation:
        price = Decimal(-1)
    if not price.is_finite() or price < 0:
        raise EngineUnavailable("SKYSTUDIO_USD_PER_CREDIT must be a price such as 0.002.")
    return price
