"""A model for Triton's Python backend: a modality or fusion of Sensorium, served.

It is copied into a model repository as ``model.py`` and runs in the server's own Python; what it
serves stands in the parameter ``serve`` of the model's configuration, as JSON.
"""

import json
import sys

import numpy as np
import triton_python_backend_utils as backend


class TritonPythonModel:
    """What the backend calls."""

    def initialize(self, args):
        config = json.loads(args["model_config"])
        serve = json.loads(config["parameters"]["serve"]["string_value"])
        sys.path[:0] = serve["path"]
        self.inputs = [it["name"] for it in config["input"]]
        self.call = {"modality": _modality, "fusion": _fusion, "echo": _echo}[serve["kind"]](serve)

    def execute(self, requests):
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        arrays = {
            name: backend.get_input_tensor_by_name(request, name).as_numpy() for name in self.inputs
        }
        try:
            found = self.call(arrays)
        except Exception as error:
            return backend.InferenceResponse([], backend.TritonError(str(error)))
        wanted = request.requested_output_names()
        return backend.InferenceResponse([backend.Tensor(name, found[name]) for name in wanted])


def _modality(serve):
    from sensorium_plugins import sensorium_modalities

    cls = {it.name: it for it in sensorium_modalities()}[serve["name"]]
    modality = cls(cls.Config.model_validate(serve["config"]))
    modality.load("cpu", _weights(serve))

    def call(arrays):
        if "refuse_above" in serve and any(
            a.max() > serve["refuse_above"] for a in arrays.values()
        ):
            raise ValueError("an item is larger than this model takes")
        return {"features": modality.encode(arrays).data}

    return call


def _echo(serve):
    return lambda arrays: {"features": arrays["signal"], "steps": arrays["mask"]}


def _fusion(serve):
    from sensorium.plugin import Features, FeatureSpec
    from sensorium_plugins import sensorium_fusions
    from sensorium_plugins.tasks import Classification

    cls = {it.name: it for it in sensorium_fusions()}[serve["name"]]
    labels = Classification.Config.model_validate({"labels": serve["labels"]})
    specs = {name: FeatureSpec(dim) for name, dim in serve["features"].items()}
    fusion = cls(cls.Config(), specs, {"mood": Classification(labels)})
    fusion.load("cpu", _weights(serve))

    def call(arrays):
        present = {name: arrays["present"][:, at] for at, name in enumerate(specs)}
        found = fusion.fuse(present, **{name: Features(arrays[name]) for name in specs})["mood"]
        return {"mood": found.scores, "shares": found.contribution.astype(np.float32)}

    return call


def _weights(serve):
    return dict(np.load(serve["weights"])) if serve.get("weights") else None
