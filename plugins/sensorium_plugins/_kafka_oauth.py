"""Access tokens for OAUTHBEARER: from a file, a command, or an identity provider."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any, Final

from pydantic import Field, model_validator

from sensorium.errors import RunError
from sensorium.plugin import PluginConfig
from sensorium_plugins._kafka_tls import trusting

__all__ = ["OAuthConfig", "TokenSource"]

_COMMAND_SECONDS: Final = 30
_ENDPOINT_SECONDS: Final = 15
_MOST_BYTES: Final = 1 << 20
#: The part of a token's lifetime after which another one is asked for.
_RENEW: Final = 0.8


class OAuthConfig(PluginConfig):
    """Where access tokens come from: exactly one of a file, a command and an endpoint.

    Parameters
    ----------
    token_file
        A file that holds the token; it is read again for each new connection, so that another
        process may renew it.
    token_command
        A command and its arguments, run without a shell; its standard output is the token.
    token_endpoint
        The URL of an OpenID Connect token endpoint, asked with the client's credentials.
    client_id, client_secret
        The credentials. The secret is best a reference, as ``${env:CLIENT_SECRET}``.
    scope
        The scope to ask for.
    ca_file
        Certificates that the endpoint's is checked against, in PEM; the system's if not given.
    """

    token_file: str | None = None
    token_command: tuple[str, ...] | None = Field(default=None, min_length=1)
    token_endpoint: str | None = Field(default=None, pattern="^https?://")
    client_id: str | None = None
    client_secret: str | None = Field(default=None, repr=False)
    scope: str | None = None
    ca_file: str | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> OAuthConfig:
        given = [self.token_file, self.token_command, self.token_endpoint]
        if sum(one is not None for one in given) != 1:
            raise ValueError("name one of token_file, token_command and token_endpoint")
        credentials = [self.client_id, self.client_secret]
        if self.token_endpoint is not None and None in credentials:
            raise ValueError("token_endpoint needs client_id and client_secret")
        if self.token_endpoint is None and any([*credentials, self.scope, self.ca_file]):
            raise ValueError(
                "client_id, client_secret, scope and ca_file are for token_endpoint only"
            )
        return self


class TokenSource:
    """Gives tokens that are still good; any thread may ask.

    Parameters
    ----------
    config
        Where they come from, secrets resolved.
    clock
        Seconds that only go forward.
    """

    def __init__(self, config: OAuthConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._lock = threading.Lock()
        self._held: tuple[str, float] | None = None

    def token(self) -> str:
        """A token.

        Raises
        ------
        RunError
            If there is none to be had; the message says where it was sought, and holds neither a
            token nor what came with it.
        """
        with self._lock:
            if self._config.token_file is not None:
                return _from_file(self._config.token_file)
            if self._config.token_command is not None:
                return _from_command(self._config.token_command)
            if self._held is None or self._clock() >= self._held[1]:
                token, lifetime = _from_endpoint(self._config)
                self._held = token, self._clock() + _RENEW * lifetime
            return self._held[0]


def _from_file(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return _checked(file.read(_MOST_BYTES), f"the file {path}")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not ASCII"
        raise RunError(f"the token file {path} cannot be read: {reason}") from None


def _from_command(command: tuple[str, ...]) -> str:
    where = f"the token command {command[0]}"
    try:
        done = subprocess.run(  # noqa: S603 - it is what the pipeline's author wants to be run
            command, capture_output=True, timeout=_COMMAND_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise RunError(f"{where} took longer than {_COMMAND_SECONDS} s") from None
    except OSError as error:
        raise RunError(f"{where} cannot be run: {error.strerror}") from None
    if done.returncode:
        # What it printed may hold credentials.
        raise RunError(f"{where} failed with the exit code {done.returncode}; run it by hand")
    return _checked(done.stdout.decode("ascii", "replace"), where)


def _from_endpoint(config: OAuthConfig) -> tuple[str, float]:
    assert config.token_endpoint is not None
    where = f"the token endpoint {config.token_endpoint}"
    form = {"grant_type": "client_credentials"}
    if config.scope is not None:
        form["scope"] = config.scope
    credentials = ":".join(
        urllib.parse.quote(part or "", safe="") for part in (config.client_id, config.client_secret)
    )
    request = urllib.request.Request(  # noqa: S310 - its scheme is http or https
        config.token_endpoint,
        urllib.parse.urlencode(form).encode(),
        {"Authorization": f"Basic {base64.b64encode(credentials.encode()).decode()}"},
    )
    context = trusting(config.ca_file) if config.token_endpoint.startswith("https") else None
    try:
        with urllib.request.urlopen(  # noqa: S310 - as above
            request, timeout=_ENDPOINT_SECONDS, context=context
        ) as response:
            answer: Any = json.loads(response.read(_MOST_BYTES))
    except urllib.error.HTTPError as error:
        raise RunError(
            f"{where} refused with status {error.code}; check client_id, client_secret and scope"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        raise RunError(f"{where} gives no answer: {reason}") from None
    if not isinstance(answer, dict):
        raise RunError(f"{where} gave no token: its answer is no JSON object")
    lifetime = answer.get("expires_in", 60)
    if isinstance(lifetime, bool) or not isinstance(lifetime, int | float):
        lifetime = 60
    return _checked(answer.get("access_token"), where), float(lifetime)


def _checked(token: Any, where: str) -> str:
    if isinstance(token, str):
        word = token.strip()
        # It becomes a part of the SASL message, in which a control character separates.
        if word and word.isascii() and word.isprintable() and " " not in word:
            return word
    raise RunError(f"{where} gave no token: it has to be one word of printable ASCII")
