from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sensorium.errors import ConfigError
from sensorium.events import AlignedSet
from sensorium.host import Pipeline, PluginHost, read_checkpoint
from sensorium.train import Dataset, encode_sets, fit_dataset, load_plugins, predict
from sensorium.train._card import fingerprint
from sensorium.train._gradient import weights_of

MakePipeline = Callable[..., Pipeline]
MakeData = Callable[..., Dataset]
TWO_TASKS = {"kind": {"type": "one-of", "labels": ["a", "b"]}, "size": {"type": "amount"}}
torch_test = [pytest.mark.torch]


def _clock() -> int:
    return 1_700_000_000_000_000_000


@pytest.fixture
def fit(host: PluginHost, tmp_path: Path) -> Callable[..., Any]:
    def run(pipeline: Pipeline, data: Dataset, **more: Any) -> Any:
        settings = {"epochs": 8, "learning_rate": 0.02, "clock": _clock, "progress": False, **more}
        path = settings.pop("path", tmp_path / "toy.safetensors")
        return fit_dataset(pipeline, host, data, path, **settings)

    return run


@pytest.mark.parametrize(
    ("modality", "second", "fusion"),
    [
        ("numbers", "numbers", "by-itself"),
        ("centred", "each", "by-itself"),
        pytest.param("numbers", "numbers", "end-to-end", marks=torch_test),
        pytest.param("net", "net", "end-to-end", marks=torch_test),
        pytest.param("net-each", "centred", "end-to-end", marks=torch_test),
    ],
)
def test_what_is_learnt_holds_on_the_keys_that_were_held_out(
    fit: Callable[..., Any],
    make_pipeline: MakePipeline,
    make_data: MakeData,
    modality: str,
    second: str,
    fusion: str,
) -> None:
    if fusion == "end-to-end":
        pytest.importorskip("torch", reason="needs torch: pip install 'sensorium[torch]'")
    pipeline = make_pipeline(modality, fusion, second=second, tasks=TWO_TASKS)
    report = fit(pipeline, make_data(keys=16, sets=40), epochs=20)
    kind = report.metrics["kind"]
    assert kind["all streams"].metrics["accuracy"] > 0.9
    assert kind["left alone"].metrics["accuracy"] > 0.85
    assert 0.6 < kind["right alone"].metrics["accuracy"] < 0.95
    assert report.metrics["size"]["all streams"].metrics["r2"] > 0.4
    assert report.counts["training_keys"] == 13
    assert report.counts["validation_keys"] == 3


@pytest.mark.torch
def test_the_same_seed_gives_the_same_file_and_another_seed_another(
    fit: Callable[..., Any], make_pipeline: MakePipeline, make_data: MakeData, tmp_path: Path
) -> None:
    pytest.importorskip("torch", reason="needs torch: pip install 'sensorium[torch]'")
    pipeline = make_pipeline("net", "end-to-end")
    files = [tmp_path / name for name in ("one", "two", "three")]
    for path, seed in zip(files, (3, 3, 4), strict=True):
        fit(pipeline, make_data(), seed=seed, path=path)
    one, two, three = (path.read_bytes() for path in files)
    assert one == two
    assert one != three


def test_a_fusion_that_trains_by_itself_is_reproducible_too(
    fit: Callable[..., Any], make_pipeline: MakePipeline, make_data: MakeData, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        fit(make_pipeline("centred"), make_data(), path=tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_modality_dropout_helps_where_a_stream_is_silent(
    fit: Callable[..., Any], make_pipeline: MakePipeline, make_data: MakeData
) -> None:
    # Far from zero, so that the zeros of an absent stream look like an extreme value.
    data = make_data(keys=16, sets=40, silent=0.0, shift=10)
    alone = {
        rate: fit(make_pipeline(), data, modality_dropout=rate)
        .metrics["kind"]["right alone"]
        .metrics["accuracy"]
        for rate in (0.0, 0.3)
    }
    assert alone[0.0] < 0.6
    assert alone[0.3] > 0.75


def test_the_card_says_what_the_model_is_and_names_no_key(
    fit: Callable[..., Any], make_pipeline: MakePipeline, make_data: MakeData
) -> None:
    report = fit(make_pipeline("centred"), make_data(), licence="Apache-2.0")
    card = read_checkpoint(report.path).card
    assert card["pipeline"] == "toy"
    assert card["created"] == "2023-11-14T22:13:20+00:00"
    assert card["licence"] == "Apache-2.0"
    assert card["streams"]["left"]["plugin"] == "centred"
    assert card["fusion"]["plugin"] == "by-itself"
    assert card["tasks"]["kind"]["labels"] == ["a", "b"]
    assert card["training"]["method"] == "fusion"
    assert card["training"]["modality_dropout"] == 0.3
    assert set(card["validation"]["kind"]) == {"all streams", "left alone", "right alone"}
    assert card["validation"]["kind"]["all streams"]["accuracy"] > 0.8
    assert card["libraries"]["numpy"] == np.__version__
    assert card["split"]["validation_groups"] == sorted(
        fingerprint(key) for key in report.split.validation
    )
    assert "key0" not in str(card)


def test_the_weights_in_the_file_are_those_that_were_tested(
    fit: Callable[..., Any], make_pipeline: MakePipeline, make_data: MakeData
) -> None:
    pipeline, data = make_pipeline("centred"), make_data()
    report = fit(pipeline, data)
    checkpoint = read_checkpoint(report.path)
    assert {name.split(".")[0] for name in checkpoint.weights} == {"streams", "fusion"}
    held = data.take(row for row, key in enumerate(data.keys) if key in report.split.validation)
    scores = predict(*load_plugins(pipeline, checkpoint.weights), held.sets)["kind"]
    right = np.array(["ab"[i] for i in scores.argmax(axis=1)]) == held.targets["kind"]
    assert right.mean() == report.metrics["kind"]["all streams"].metrics["accuracy"]


def test_statistics_come_from_the_training_keys_only(
    fit: Callable[..., Any], make_pipeline: MakePipeline, make_data: MakeData
) -> None:
    data = make_data()
    report = fit(make_pipeline("centred"), data)
    values = [
        item.members["left"][0].value
        for item in data.sets
        if item.key in report.split.train and "left" in item.members
    ]
    centre = report.checkpoint.weights["streams.left.centre"]
    np.testing.assert_allclose(centre, np.mean(values, axis=0), rtol=1e-5)


def test_keys_of_a_group_stay_together(
    fit: Callable[..., Any], make_pipeline: MakePipeline, make_data: MakeData
) -> None:
    report = fit(make_pipeline(), make_data(keys=12), group=r"key(\d)")
    assert report.split.validation_groups
    assert report.checkpoint.card["training"]["group"] == r"key(\d)"
    sides = [{key[3] for key in side} for side in (report.split.train, report.split.validation)]
    assert not sides[0] & sides[1]


def test_a_set_that_cannot_be_prepared_loses_its_stream_and_nothing_else(
    fit: Callable[..., Any],
    make_pipeline: MakePipeline,
    make_data: MakeData,
    make_set: Callable[..., AlignedSet],
) -> None:
    bad = make_set("key0", 999, left=[np.nan, 0.0], right=[1.0, 0.0])
    data = make_data()
    broken = Dataset(
        [bad, *data.sets], {name: [values[0], *values] for name, values in data.targets.items()}
    )
    pipeline = make_pipeline("centred")
    assert fit(pipeline, broken).metrics["kind"]["all streams"].metrics["accuracy"] > 0.8
    encoded = encode_sets(pipeline.modalities(), broken.sets)
    assert not encoded.present["left"][0]
    assert encoded.present["right"][0]
    assert (encoded.features["left"].data[0] == 0).all()


@pytest.mark.torch
def test_targets_may_be_missing_for_some_sets(
    fit: Callable[..., Any], make_pipeline: MakePipeline, make_data: MakeData
) -> None:
    pytest.importorskip("torch", reason="needs torch: pip install 'sensorium[torch]'")
    data = make_data(keys=16, sets=40)
    some = {
        "kind": [value if i % 2 else None for i, value in enumerate(data.targets["kind"])],
        "size": [value if i % 3 else None for i, value in enumerate(data.targets["size"])],
    }
    pipeline = make_pipeline("net", "end-to-end", tasks=TWO_TASKS)
    report = fit(pipeline, Dataset(data.sets, some), epochs=20)
    # Every sixth set has neither target.
    assert report.counts["sets_without_target"] == 107
    assert report.metrics["kind"]["all streams"].metrics["accuracy"] > 0.85


def test_a_label_without_an_example_is_pointed_out(
    fit: Callable[..., Any], make_pipeline: MakePipeline, make_data: MakeData
) -> None:
    tasks = {"kind": {"type": "any-of", "labels": ["a", "b", "never"]}}
    data = make_data()
    listed = Dataset(data.sets, {"kind": [[value] for value in data.targets["kind"]]})
    report = fit(make_pipeline("centred", "fixed", tasks=tasks), listed)
    assert "kind: the training keys have no never" in report.notes
    assert report.checkpoint.card["training"]["method"] == "none"


def test_a_fusion_that_cannot_train_an_encoder_is_refused_with_one_that_can(
    fit: Callable[..., Any], make_pipeline: MakePipeline, make_data: MakeData
) -> None:
    message = (
        r"^fusion\.plugin: the fusion 'by-itself' trains on fixed features only, but these "
        r"streams train end to end: right \(net\): use one that trains with them \(end-to-end\)$"
    )
    with pytest.raises(ConfigError, match=message):
        fit(make_pipeline("numbers", "by-itself", second="net"), make_data())


def test_a_pipeline_with_nothing_to_train_is_refused(
    fit: Callable[..., Any], make_pipeline: MakePipeline, make_data: MakeData
) -> None:
    with pytest.raises(ConfigError, match="neither the fusion 'fixed' nor any modality"):
        fit(make_pipeline(fusion="fixed"), make_data())


@pytest.mark.torch
def test_weights_keep_their_shapes_and_do_not_follow_the_module() -> None:
    torch = pytest.importorskip("torch", reason="needs torch: pip install 'sensorium[torch]'")
    module = torch.nn.BatchNorm1d(2)
    weights = weights_of(module)
    assert weights["num_batches_tracked"].shape == ()
    with torch.no_grad():
        module.weight.add_(1)
    assert weights["weight"].tolist() == [1, 1]


def test_targets_that_never_come_are_refused_with_where_they_should_be(
    fit: Callable[..., Any], make_pipeline: MakePipeline, make_data: MakeData
) -> None:
    data = make_data()
    message = r"^tasks\.kind\.target: no set has a target: the stream 'truth' has to carry the fiel"
    with pytest.raises(ConfigError, match=message):
        fit(make_pipeline(), Dataset(data.sets, {"kind": [None] * len(data.sets)}))


def test_no_sets_are_refused_with_what_tells_why(
    fit: Callable[..., Any], make_pipeline: MakePipeline
) -> None:
    with pytest.raises(ConfigError, match="gave no aligned sets: `sensorium check"):
        fit(make_pipeline(), Dataset([], {"kind": []}))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"modality_dropout": 1.0}, r"the modality dropout is 1; it must lie in \[0, 1\)"),
        ({"learning_rate": 0.0}, "the learning rate is 0; it must be greater than 0"),
        ({"epochs": 0}, "the number of epochs is 0; it must be at least 1"),
        ({"validation": 1.0}, "the validation fraction is 1; it must lie between 0 and 1"),
    ],
)
def test_settings_out_of_range_are_refused(
    fit: Callable[..., Any],
    make_pipeline: MakePipeline,
    make_data: MakeData,
    setting: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(ConfigError, match=message):
        fit(make_pipeline(), make_data(), **setting)
