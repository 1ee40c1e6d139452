"""The demos' models, trained as `sensorium fit` trains any."""

from __future__ import annotations

import tempfile
from pathlib import Path

from sensorium.demo._demos import Demo, open_pipeline
from sensorium.host import PluginHost
from sensorium.train import FitReport, fit

__all__ = ["fit_demo"]


def fit_demo(
    demo: Demo,
    model: str | None,
    host: PluginHost,
    output: Path,
    *,
    seed: int = 0,
    progress: bool = True,
) -> FitReport:
    """Train on what the demo does not show.

    Parameters
    ----------
    demo
        Which demo.
    model
        One of its models; None for the default.
    host
        The plugins.
    output
        Where to write the checkpoint.
    seed
        What makes it reproducible.
    progress
        Whether to show a bar on standard error, where that is a terminal.

    Raises
    ------
    MissingExtraError
        If a package that data or training need is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="sensorium-demo-") as folder:
        return fit(
            open_pipeline(demo, model, host),
            host,
            demo.training(Path(folder), seed),
            output,
            seed=seed,
            epochs=demo.epochs,
            learning_rate=demo.learning_rate,
            validation=demo.validation,
            licence="Apache-2.0",
            progress=progress,
        )
