"""Runs the instructions of deploy/Dockerfile in their order, without a container engine.

Each stage is a folder that its commands run in, by chroot, in namespaces of their own. That is no
build of an image: the base is not the one that the Dockerfile names, but the root of any Debian
that has Python 3.12 as `python`, with pip, as `debootstrap --variant=minbase` begins it. But every
command runs, from nothing, and what it leaves is what the next one finds. As root::

    python tests/support/dockerfile_by_hand.py cpu BASE OUTPUT --build-arg TORCH_INDEX= -- --version

OUTPUT is then the root of the image. What stands after ``--`` is given to its entry point, as a pod
gives it: as the image's user, without capabilities, on a read-only root file system.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
#: What a machine's own settings for its package registries consist of; an image has them not.
_REGISTRY_SETTINGS = re.compile(r"PIP_|SSL_|.*PROXY|.*proxy")
_MOUNTS = ("/etc/resolv.conf", "/etc/ssl/certs", "/etc/hosts")


@dataclass
class Stage:
    """A stage while it is made.

    Parameters
    ----------
    root
        Its file system.
    """

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    user: str = "0:0"
    folder: str = "/"
    entrypoint: list[str] = field(default_factory=list)


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions, each with what it is given."""
    kept = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    lines = kept.replace("\\\n", " ").splitlines()
    found = (line.strip().partition(" ")[::2] for line in lines if line.strip())
    return [(word.upper(), " ".join(rest.split())) for word, rest in found]


def needed(stages: list[tuple[str, str]], target: str) -> set[str]:
    """Names of the stages that a target is made from, itself included."""
    found, wanted = set(), [target]
    sources: dict[str, list[str]] = {}
    name = ""
    for word, rest in stages:
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            sources[name] = [base]
        elif word == "COPY" and rest.startswith("--from="):
            sources[name].append(rest.partition(" ")[0].removeprefix("--from="))
    while wanted:
        one = wanted.pop()
        if one in sources and one not in found:
            found.add(one)
            wanted += sources[one]
    return found


def build(target: str, base: Path, output: Path, given: dict[str, str]) -> Stage:
    """Make the stages of a target; the target's own is `output`, the others lie beside it."""
    script = instructions(DOCKERFILE.read_text("utf-8"))
    wanted = needed(script, target)
    stages: dict[str, Stage] = {}
    name, stage = "", Stage(base)
    for word, rest in script:
        if word == "FROM":
            before, _, name = rest.partition(" AS ")
            if name in wanted:
                root = output if name == target else output.with_name(f"{output.name}.{name}")
                stage = stages[name] = _from(stages.get(before), base, root)
        elif name in wanted:
            print(f"{name}: {word} {rest}", flush=True)
            _do(stage, word, rest, stages, given)
    return stages[target]


def _from(before: Stage | None, base: Path, root: Path) -> Stage:
    shutil.rmtree(root, ignore_errors=True)
    source = base if before is None else before.root
    subprocess.run(["cp", "-a", "--reflink=auto", str(source), str(root)], check=True)
    if before is None:
        return Stage(root, {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})
    return Stage(root, dict(before.environment), {}, before.user, before.folder, before.entrypoint)


def _do(
    stage: Stage, word: str, rest: str, stages: dict[str, Stage], given: dict[str, str]
) -> None:
    if word == "ARG":
        key, _, default = rest.partition("=")
        stage.arguments[key] = given.get(key, default)
    elif word == "ENV":
        for item in shlex.split(rest):
            key, _, value = item.partition("=")
            stage.environment[key] = value.replace("$PATH", stage.environment["PATH"])
    elif word == "COPY":
        _copy(stage, rest, stages)
    elif word == "RUN":
        run_in(stage, ["/bin/sh", "-c", rest], building=True)
    elif word == "USER":
        stage.user = rest
    elif word == "WORKDIR":
        stage.folder = rest
        (stage.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
    elif word == "ENTRYPOINT":
        stage.entrypoint = [it.strip(' "') for it in rest.strip("[]").split(",")]
    elif word != "CMD":
        raise NotImplementedError(word)


def _copy(stage: Stage, rest: str, stages: dict[str, Stage]) -> None:
    words = rest.split()
    source = ROOT
    if words[0].startswith("--from="):
        source = stages[words.pop(0).removeprefix("--from=")].root
    *items, target = words
    into = stage.root / os.path.join(stage.folder, target).lstrip("/")
    for item in items:
        path = source / item.lstrip("/")
        # The content of a folder, into a folder; a file under its name where the target is one.
        if path.is_dir():
            shutil.copytree(path, into, symlinks=True, dirs_exist_ok=True)
        elif target.endswith(("/", ".")):
            into.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, into)
        else:
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, into)


def run_in(
    stage: Stage, command: list[str], *, building: bool = False
) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a stage: while it is made as root, else as a pod does.

    As a pod does: as the image's user and without capabilities, with nothing but /tmp to write to,
    which is new and empty.

    Raises
    ------
    subprocess.CalledProcessError
        If it fails while the stage is made.
    """
    variables = {**stage.environment, **(stage.arguments if building else {})}
    script = ["set -e", "mount --make-rprivate /"]
    root = shlex.quote(str(stage.root))
    script += [f"mount --bind {root} {root}", f"mount -t proc proc {root}/proc"]
    script += [f"mount --rbind /dev {root}/dev"]
    uid, _, gid = stage.user.partition(":")
    enter = f"exec chroot {root} /usr/bin/env -i"
    if building:
        variables |= {k: v for k, v in os.environ.items() if _REGISTRY_SETTINGS.match(k)}
        for path in _MOUNTS:
            script.append(f"[ -e {root}{path} ] || touch {root}{path}")
            script.append(f"mount --bind {path} {root}{path}")
    else:
        script += [f"mount -o remount,bind,ro {root}", f"mount -t tmpfs tmpfs {root}/tmp"]
        enter = (
            f"exec chroot {root} setpriv --reuid={uid} --regid={gid} --clear-groups "
            "--no-new-privs --bounding-set=-all --inh-caps=-all /usr/bin/env -i"
        )
    assigned = " ".join(shlex.quote(f"{key}={value}") for key, value in variables.items())
    inner = f"cd {shlex.quote(stage.folder)} && exec {shlex.join(command)}"
    script.append(f"{enter} {assigned} /bin/sh -c {shlex.quote(inner)}")
    return subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "sh", "-c", "\n".join(script)], check=building
    )


def main() -> int:
    """Build a target, and run it."""
    parser = argparse.ArgumentParser(description="Run deploy/Dockerfile without an engine.")
    parser.add_argument("target")
    parser.add_argument("base", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("arguments", nargs="*", help="after --: what its entry point gets")
    args = parser.parse_args()
    given = dict(item.partition("=")[::2] for item in args.build_arg)
    stage = build(args.target, args.base, args.output, given)
    return run_in(stage, [*stage.entrypoint, *args.arguments]).returncode if args.arguments else 0


if __name__ == "__main__":
    sys.exit(main())
