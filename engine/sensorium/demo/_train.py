"""The demo's model, trained as `sensorium fit` trains any."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from sensorium.demo._damage import Damage
from sensorium.demo._layout import place
from sensorium.demo._recording import write_recording
from sensorium.demo._watch import load_trials, split_trials
from sensorium.errors import ConfigError
from sensorium.host import Pipeline, PluginHost, load_pipeline
from sensorium.train import FitReport, fit

__all__ = ["DATA", "MODELS", "fit_demo", "open_pipeline"]

DATA: Final = Path(__file__).parent / "data"
#: The pipeline file of each model.
MODELS: Final[dict[str, str]] = {"stats": "watch.yaml", "cnn": "watch-cnn.yaml"}
#: Keys are s04-PEN-013: what one person did stays on one side of the split.
_PERSON: Final = "^(s[0-9]+)-"


def fit_demo(
    model: str,
    host: PluginHost,
    output: Path,
    *,
    seed: int = 0,
    progress: bool = True,
) -> FitReport:
    """Train on the subjects that are not held out.

    They are recorded twice, once as they are and once with outages, so that windows that are
    filled in part are trained on, too.

    Parameters
    ----------
    model
        ``stats`` or ``cnn``.
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
        If seglearn, scikit-learn or torch is needed and not installed.
    """
    trials, _ = split_trials(load_trials())
    placed = place(trials, seed)
    with tempfile.TemporaryDirectory(prefix="sensorium-demo-") as folder:
        whole, broken = Path(folder, "watch.mcap"), Path(folder, "watch-outages.mcap")
        write_recording(whole, placed, Damage(), seed)
        write_recording(broken, placed, Damage(outage=0.3), seed)
        return fit(
            open_pipeline(model, host),
            host,
            [whole, broken],
            output,
            seed=seed,
            validation=0.15,
            group=_PERSON,
            licence="Apache-2.0",
            progress=progress,
        )


def open_pipeline(model: str, host: PluginHost, checkpoint: Path | None = None) -> Pipeline:
    """The demo's pipeline.

    Parameters
    ----------
    model
        ``stats`` or ``cnn``.
    host
        The plugins.
    checkpoint
        Instead of the one that ships.

    Raises
    ------
    ConfigError
        If there is no such model.
    """
    if model not in MODELS:
        raise ConfigError(f"there is no model {model!r}; there are {', '.join(MODELS)}")
    overrides = [] if checkpoint is None else [f"checkpoint={checkpoint}"]
    return load_pipeline(DATA / MODELS[model], overrides=overrides, plugins=host)
