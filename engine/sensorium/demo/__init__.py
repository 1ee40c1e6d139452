"""The demos of ``sensorium demo``: the main job on real input."""

from sensorium.demo._damage import Damage
from sensorium.demo._demos import DEMOS, Demo
from sensorium.demo._run import run_demo
from sensorium.demo._train import fit_demo

__all__ = ["DEMOS", "Damage", "Demo", "fit_demo", "run_demo"]
