"""Why an application does not run."""

from __future__ import annotations

from ray import serve

__all__ = ["reasons_of"]


def reasons_of(name: str) -> str:
    """What Serve says of an application, and what its deployments raised last; in one line."""
    application = serve.status().applications.get(name)
    if application is None:
        return "it is not on the cluster"
    # A deployment's message is a whole traceback, at whose end stands the error.
    said = [
        f"{deployment}: {it.message.strip().splitlines()[-1].strip()}"
        for deployment, it in application.deployments.items()
        if it.message.strip() and it.status.value != "HEALTHY"
    ]
    message = application.message.strip()
    return "; ".join(said) or message or f"it is {application.status.value}"
