"""TLS: whom to trust, and how to show who one is."""

from __future__ import annotations

import ssl

from sensorium.errors import ConfigError

__all__ = ["client_context", "trusting"]


def trusting(ca_file: str | None) -> ssl.SSLContext:
    """A context that trusts the certificates of a file in PEM, or the system's.

    Raises
    ------
    ConfigError
        If the file cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"ca_file {ca_file}: {_reason(error)}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def client_context(
    ca_file: str | None,
    certificate_file: str | None,
    key_file: str | None,
    key_password: str | None,
    *,
    verify_hostname: bool,
) -> ssl.SSLContext:
    """A context for a client, which has a certificate if a file is named.

    Raises
    ------
    ConfigError
        If a file cannot be read, or the password is not the key's.
    """
    context = trusting(ca_file)
    context.check_hostname = verify_hostname
    if certificate_file is not None:
        try:
            # A password that is asked for on the terminal would stop a service for ever.
            context.load_cert_chain(certificate_file, key_file, key_password or "")
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"certificate_file {certificate_file}, key_file {key_file or 'not given'}: "
                f"{_reason(error)}"
            ) from None
    return context


def _reason(error: OSError) -> str:
    """What is wrong, without the library's source line."""
    if isinstance(error, ssl.SSLError):
        return (
            f"no usable PEM, or the wrong key_password ({error.reason or 'it cannot be decrypted'})"
        )
    return str(error.strerror or type(error).__name__)
