"""The demos of ``sensorium demo``: the main job on real input."""

from sensorium.demo._damage import Damage
from sensorium.demo._run import DEMOS, run_demo
from sensorium.demo._train import MODELS, fit_demo

__all__ = ["DEMOS", "MODELS", "Damage", "fit_demo", "run_demo"]
