"""Training and evaluation on recordings, through the stages that serve.

`fit` and `evaluate` are `sensorium fit` and `sensorium eval`; the rest are their pieces.
"""

from sensorium.train._bootstrap import bootstrap_share
from sensorium.train._calibration import ReliabilityBin, calibration_error, reliability
from sensorium.train._collect import collect, collect_source
from sensorium.train._conditions import Condition
from sensorium.train._dataset import DataFile, Dataset, TargetEvent, join_targets, target_rows
from sensorium.train._evaluate import EvalReport, evaluate, evaluate_dataset
from sensorium.train._features import Encoded, encode_sets
from sensorium.train._fit import FitReport, fit, fit_dataset
from sensorium.train._plots import save_plots
from sensorium.train._plugins import load_plugins
from sensorium.train._predict import predict, predict_encoded
from sensorium.train._render import print_eval, print_fit
from sensorium.train._scores import Curve, LabelScores, Scores, score
from sensorium.train._split import Group, Split, split_by_key

__all__ = [
    "Condition",
    "Curve",
    "DataFile",
    "Dataset",
    "Encoded",
    "EvalReport",
    "FitReport",
    "Group",
    "LabelScores",
    "ReliabilityBin",
    "Scores",
    "Split",
    "TargetEvent",
    "bootstrap_share",
    "calibration_error",
    "collect",
    "collect_source",
    "encode_sets",
    "evaluate",
    "evaluate_dataset",
    "fit",
    "fit_dataset",
    "join_targets",
    "load_plugins",
    "predict",
    "predict_encoded",
    "print_eval",
    "print_fit",
    "reliability",
    "save_plots",
    "score",
    "split_by_key",
    "target_rows",
]
