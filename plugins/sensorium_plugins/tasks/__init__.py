"""The built-in tasks: what can be predicted."""

from sensorium_plugins.tasks._classification import Classification, ClassificationConfig
from sensorium_plugins.tasks._multi_label import MultiLabel, MultiLabelConfig
from sensorium_plugins.tasks._regression import Regression, RegressionConfig

__all__ = [
    "Classification",
    "ClassificationConfig",
    "MultiLabel",
    "MultiLabelConfig",
    "Regression",
    "RegressionConfig",
]
