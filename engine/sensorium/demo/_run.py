"""``sensorium demo``: a scene streamed through the engine, with a score that is kept."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

from sensorium.demo._accuracy import accuracy_by_streams, accuracy_offline
from sensorium.demo._damage import Damage
from sensorium.demo._demos import DEMOS, Demo, open_pipeline
from sensorium.demo._figures import Figures
from sensorium.demo._play import Play
from sensorium.demo._scene import Scene
from sensorium.demo._scoreboard import Scoreboard
from sensorium.demo._show import Display, LiveDisplay, PlainDisplay, Silent
from sensorium.demo._spoken import SpokenScene
from sensorium.demo._train import fit_demo
from sensorium.durations import parse_duration
from sensorium.errors import ConfigError
from sensorium.host import Pipeline, PluginHost
from sensorium.runtime import Models, RunSummary, load_models

__all__ = ["run_demo"]

_KAFKA: Final = "kafka"
_INTERRUPTED: Final = 130


def run_demo(
    name: str | None = None,
    *,
    as_json: bool = False,
    executor: str = "local",
    model: str | None = None,
    fit: bool = False,
    lose: float = 0.0,
    outage: float = 0.0,
    disorder: str = "200ms",
    shuffle_keys: bool = False,
    speed: float | Literal["max"] | None = None,
    seed: int = 0,
    bootstrap_servers: str | None = None,
    partitions: int | None = None,
    real_speech: Path | None = None,
) -> int:
    """Stream what the model has not seen, and keep score.

    Parameters
    ----------
    name
        Which demo: ``watch``, which is also the default, ``digits``, or ``kafka``, which is
        ``watch`` through a broker.
    as_json
        Whether to print nothing but one JSON object.
    executor
        ``local``; ``serve``: on a Ray that is started for it, and then the executor local runs
        the same recording, too, and what both gave is compared; or ``auto``: serve, or local if
        no Ray can be started here, which is said. Of ``kafka``, ``auto`` is local.
    model
        Of ``watch``, ``stats`` (statistics and a small perceptron) or ``cnn`` (networks, with
        torch); of ``digits``, ``gated``. The default is the first.
    fit
        Whether to train the model anew where a trained one ships.
    lose, outage, disorder, shuffle_keys
        What goes wrong between devices and log; see `sensorium.demo.Damage`.
    speed
        How many times as fast as it was; ``max`` for as fast as it can be taken. The default is
        the demo's own on a terminal, ``max`` elsewhere; 1 of ``kafka``.
    seed
        What makes it reproducible.
    bootstrap_servers, partitions
        For ``kafka``: a broker that runs, and how many partitions each topic has.
    real_speech
        For ``digits``: a folder of WAV files named ``digit_speaker_index.wav``, played instead.

    Returns
    -------
    int
        The exit code: 0, or 130 if it was interrupted.

    Raises
    ------
    ConfigError
        If there is no such demo, model or executor, or a number is out of its range.
    MissingExtraError
        If a package that the demo needs is not installed.
    """
    _check(name, speed)
    damage = Damage(lose, outage, _nanoseconds(disorder), shuffle_keys)
    if real_speech is not None and name != "digits":
        raise ConfigError("--real-speech is for `sensorium demo digits`")
    if name == _KAFKA:
        if fit:
            raise ConfigError("--fit is not for `sensorium demo kafka`")
        from sensorium.demo._kafka import run_kafka_demo

        return run_kafka_demo(
            bootstrap_servers=bootstrap_servers,
            partitions=partitions or 3,
            speed=speed or 1.0,
            executor="local" if executor == "auto" else executor,
            model=model,
            damage=damage,
            seed=seed,
            as_json=as_json,
        )
    if bootstrap_servers is not None or partitions is not None:
        raise ConfigError("--bootstrap-servers and --partitions are for `sensorium demo kafka`")
    if real_speech is not None and damage != Damage():
        raise ConfigError("nothing goes wrong with --real-speech: leave the other options out")
    demo = DEMOS[name or "watch"]
    demo.require_packages()
    live = not as_json and sys.stdout.isatty()
    display: Display = Silent() if as_json else LiveDisplay() if live else PlainDisplay(sys.stdout)
    if speed is None:
        speed = demo.shown_speed if live else "max"
    host = PluginHost()
    with tempfile.TemporaryDirectory(prefix="sensorium-demo-") as folder:
        pipeline = _trained(demo, model, host, Path(folder), fit, seed, display)
        models = load_models(pipeline)
        scene = demo.scene(seed) if real_speech is None else SpokenScene(real_speech)
        recording = Path(folder, "demo.mcap")
        end = scene.record(recording, damage)
        display.say(scene.introduction)
        board, unseen = (Scoreboard(demo.task, scene.truth, scene.start, end) for _ in range(2))
        play = Play(pipeline, models, recording, demo.task, board, unseen, display)
        summary, comparison = play.run(executor, speed)
    figures = replace(
        _figures(demo, model or demo.model, seed, pipeline, models, scene, board, summary),
        executor=play.executor,
        comparison=comparison,
    )
    display.finish(figures)
    if as_json:
        print(json.dumps(figures.as_dict(), allow_nan=False), flush=True)
    return _INTERRUPTED if summary.stopped else 0


def _check(name: str | None, speed: float | str | None) -> None:
    known = [*DEMOS, _KAFKA]
    if name is not None and name not in known:
        raise ConfigError(f"there is no demo {name!r}; there are {', '.join(known)}")
    if isinstance(speed, str) and speed != "max":
        raise ConfigError(f"--speed is {speed!r}; it is a factor such as 10, or max")
    if isinstance(speed, int | float) and not 0 < speed < float("inf"):
        raise ConfigError(f"--speed is {speed:g}; it must be greater than 0, or max")


def _nanoseconds(disorder: str) -> int:
    try:
        return int(parse_duration(disorder))
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"--disorder: {error}") from error


def _trained(
    demo: Demo,
    model: str | None,
    host: PluginHost,
    folder: Path,
    fit: bool,
    seed: int,
    display: Display,
) -> Pipeline:
    """The pipeline with a checkpoint: the one that ships, or a new one."""
    pipeline = open_pipeline(demo, model, host)
    if not fit and pipeline.checkpoint is not None and pipeline.checkpoint.is_file():
        return pipeline
    display.say("fitting the model to what is not shown")
    output = folder / "fitted.safetensors"
    report = fit_demo(demo, model, host, output, seed=seed, progress=sys.stderr.isatty())
    return open_pipeline(demo, model, host, report.path)


def _figures(
    demo: Demo,
    model: str,
    seed: int,
    pipeline: Pipeline,
    models: Models,
    scene: Scene,
    board: Scoreboard,
    summary: RunSummary,
) -> Figures:
    task = demo.task
    return Figures(
        demo=demo.name,
        model=model,
        seed=seed,
        accuracy=board.accuracy,
        accuracy_offline=accuracy_offline(pipeline, models, scene, task),
        accuracy_by_streams=accuracy_by_streams(pipeline, models, scene, task, board.sets),
        run=summary,
    )
