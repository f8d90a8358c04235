"""Training under the user's own Accelerate configuration: the stage starts itself again through `accelerate launch`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.console.errors import InputError
from stages.running.command import Project

OWN_DEFAULT = "default"
"""The value of ``compute.accelerate_config`` that stands for the file that `accelerate config` writes."""

LAUNCHED = ("ACCELERATE_MIXED_PRECISION", "LOCAL_RANK", "RANK")
"""What `accelerate launch` and `torchrun` set for the processes that they start."""


def is_launched() -> bool:
    """Whether a launcher has started this process."""
    return any(name in os.environ for name in LAUNCHED)


def launch_command(project: Project, stage: str) -> list[str] | None:
    """The command that runs a stage under the project's Accelerate configuration; None if it has none.

    Raises:
        InputError: if the configuration is not there, or is none.
    """
    path = _path(project)
    if path is None:
        return None
    _read(path)
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(path)]
    return [*command, "-m", f"stages.{stage}", "--project", str(project.layout.root)]


def launch_again(project: Project, stage: str) -> None:
    """Become `accelerate launch`, which runs this stage on every process; returns where that is not asked for, or done.

    Raises:
        InputError: if the configuration is not there, or is none.
    """
    path = _path(project)
    if path is None:
        return
    if _read(path).get("use_cpu"):
        os.environ["ACCELERATE_USE_CPU"] = "true"  # which Accelerate doesn't pass on to several processes
    command = launch_command(project, stage)
    if is_launched() or command is None:
        return
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(command[0], command)  # noqa: S606  (fixed arguments, no shell)


def _path(project: Project) -> Path | None:
    wanted = project.params.compute.accelerate_config
    if wanted == OWN_DEFAULT:
        from accelerate.commands.config.config_args import default_config_file  # slow to import

        return Path(default_config_file)
    return None if wanted is None else project.layout.root / wanted


def _read(path: Path) -> dict[str, Any]:
    try:
        found = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            path, "no such file; compute.accelerate_config expects what `accelerate config` wrote"
        ) from None
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise InputError(path, f"not readable as YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(found, dict) or "distributed_type" not in found:
        raise InputError(
            path, "no Accelerate configuration: distributed_type is missing; `accelerate config` writes one"
        )
    # Accelerate would start one process, and say nothing.
    if (
        found["distributed_type"] == "MULTI_CPU"
        and found.get("num_processes", 1) > 1
        and not found.get("mpirun_config")
    ):
        raise InputError(
            path,
            f"distributed_type: found MULTI_CPU with num_processes {found['num_processes']}, of which Accelerate starts one "
            "unless mpirun_config says how; expected MULTI_GPU with use_cpu: true, which starts them all, on CPUs",
        )
    return found
