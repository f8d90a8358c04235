"""Kill the pipeline again and again, run it again each time, and compare every byte with an uninterrupted run's.

``python tests/helpers/kills.py --kills 200 --seed 1`` makes a tiny project, runs it once, and then kills a stage at a random
moment, with all of its process group (``SIGKILL``): before the n-th time that the stage or DVC itself opens a file for
writing, renames, links, deletes or makes something in the project, some of them a moment later, or after a random time. Then
it runs the same `dvc repro` to its end and compares the artifacts, looks for temporary files that stayed, and counts the
sentences that went through a model and the training steps that were taken twice.

Importing torch and DVC takes seconds and little of it is worth killing: both are imported once, and every `dvc repro`, and
every stage that it starts, is a fork of that process. ``--walks N`` kills whole `dvc repro`s as they are, separate programs.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import re
import runpy
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]
SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "DVC_NO_ANALYTICS": "1",
}
STAGES = ("prepare", "tokenize", "teach", "neighborhoods", "train", "embed", "mine@en-fr", "evaluate", "report")
ARTIFACTS = ("data", "models", "metrics", "plots", "reports")
NOT_ARTIFACTS = ("store", "cost", "locks", "checkpoints")
CHANGES = frozenset({"os.rename", "os.link", "os.symlink", "os.remove", "os.mkdir", "os.rmdir", "os.chmod"})
DVC_TEMPORARY = re.compile(r"\.[A-Za-z0-9_-]{22}\.tmp")
"""The name under which DVC links a file before it gets its own; what DVC leaves is read by nobody, and stays."""

CHECKPOINT_EVERY = 15
SHARD_ROWS = 100


@dataclass(frozen=True)
class Kill:
    """When to kill.

    Attributes:
        where: whose file operations are counted: the ``stage``'s, ``dvc``'s, or ``time`` for none.
        number: before the how-many-th operation.
        delay: seconds after it, or from the start.
        signal: that the whole process group gets.
    """

    where: str
    number: int = 0
    delay: float = 0.0
    signal: int = signal.SIGKILL


@dataclass
class Outcome:
    """What became of one `dvc repro`.

    Attributes:
        code: its exit code; negative: the signal that ended it.
        printed: what it printed.
        seconds: how long it took.
        work: rows through a model and training steps, by kind.
        operations: file operations, the stage's and DVC's.
    """

    code: int
    printed: str
    seconds: float
    work: collections.Counter[str]
    operations: dict[str, int] = field(default_factory=dict)


def write_project(folder: Path) -> Path:
    """A project that DVC runs, with a tiny teacher, a tiny transformer as student and several shards a language."""
    import tiny_project
    from dvc_project import add_deps
    from small import make_transformer

    teacher = make_transformer(folder.parent / "teacher")
    shape = {"hidden_size": 16, "layers": 1, "heads": 2, "intermediate_size": 16}
    tiny_project.write_project(
        folder,
        teacher,
        prepare={
            "corpora": [{"name": "made-up", "format": "moses", "path": "text.{lang}"}],
            "heldout": {"share": 0.3, "orphans": 0.2},
            "shard_rows": SHARD_ROWS,
        },
        student={"kind": "transformer", "transformer": shape, "vocabulary": 300, "max_length": 16},
        train={
            "steps": 40,
            "batch_size": 32,
            "eval_every": 10,
            "checkpoint_every": CHECKPOINT_EVERY,
            "learning_rate": 0.02,
        },
    )
    for name in ("pipeline", "stages", ".dvc", "dvc.yaml", ".dvcignore", ".gitignore", "requirements.lock"):
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "tmp", "cache")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copyfile(ROOT / name, folder / name)
    add_deps(folder, {"prepare": ["text.en", "text.fr"], "tokenize": [str(teacher)], "teach": [str(teacher)]})
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def warm_up() -> None:
    """Import all that a stage or DVC may need, so that forks have it."""
    import dvc.cli
    import dvc.commands.repro
    import dvc.repo
    import torch
    from dvc.repo.reproduce import reproduce
    from transformers import AutoModel, BertModel

    import pipeline.training.trainer
    import stages.evaluate
    import stages.mine
    import stages.neighborhoods
    import stages.prepare
    import stages.report
    import stages.train

    assert all((dvc, torch, reproduce, AutoModel, BertModel, pipeline, stages))
    torch.set_num_threads(1)


def repro(folder: Path, stage: str | None, kill: Kill | None = None) -> Outcome:
    """Run ``dvc repro`` (of one stage, if it is named) in a fork, a process group of its own, and perhaps kill it."""
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        start = time.monotonic()
        alive, held = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(alive)
            _run_dvc(folder, ["repro"] if stage is None else ["repro", "-s", stage], kill, scratch)
        os.close(held)
        if kill is not None and kill.where == "time":
            _kill_after(pid, kill.delay, alive)
        _, status = os.waitpid(pid, 0)
        while os.read(alive, 1):  # ends when the last process of the group has ended
            pass
        os.close(alive)
        work = collections.Counter[str]()
        for line in (scratch / "work").read_text().splitlines() if (scratch / "work").exists() else ():
            kind, count = line.split()
            work[kind] += int(count)
        return Outcome(
            os.waitstatus_to_exitcode(status),
            (scratch / "log").read_text(encoding="utf-8", errors="replace"),
            time.monotonic() - start,
            work,
            # A killed process may have opened the file of its count and not written it.
            {path.suffix[1:]: int(path.read_text() or 0) for path in scratch.glob("operations.*")},
        )


def _kill_after(pid: int, delay: float, alive: int) -> None:
    import select

    if select.select([alive], [], [], delay)[0]:
        return
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:  # so soon that it has no group yet, nor children
        os.kill(pid, signal.SIGKILL)


def _run_dvc(folder: Path, arguments: list[str], kill: Kill | None, scratch: Path) -> None:
    """The fork: never returns."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell ignores it
    os.chdir(folder)
    descriptor = os.open(scratch / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    import dvc.cli
    import dvc.stage.run

    counted = _count(folder, "dvc", kill, scratch)

    def run_stage(_shell: str, cmd: str, **options: dict[str, str]) -> None:
        pid = os.fork()
        if pid == 0:
            os.environ.update(options["env"])
            counted["on"] = 0  # the fork has inherited DVC's
            _run_command(folder, cmd, kill, scratch)
        ignored = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as DVC does: Ctrl-C is the stage's
        _, status = os.waitpid(pid, 0)
        signal.signal(signal.SIGINT, ignored)
        if (code := os.waitstatus_to_exitcode(status)) != 0:
            raise dvc.stage.run.StageCmdFailedError(cmd, code)

    dvc.stage.run._run = run_stage
    code = 1
    try:
        code = dvc.cli.main(arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        (scratch / "operations.dvc").write_text(str(counted["done"]))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _run_command(folder: Path, cmd: str, kill: Kill | None, scratch: Path) -> None:
    """A stage's command (``python -m stages.<name> …``) in the fork of DVC's: never returns."""
    _, _, module, *arguments = shlex.split(cmd)
    counted = _count(folder, "stage", kill, scratch)
    _meter(scratch / "work")
    sys.argv = [module, *arguments]
    sys.modules.pop(module, None)
    code = 1
    try:
        runpy.run_module(module, run_name="__main__")
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        (scratch / "operations.stage").write_text(str(counted["done"]))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _count(folder: Path, where: str, kill: Kill | None, scratch: Path) -> dict[str, int]:
    """Count this process' changes of the project's files, and kill its group at the one that ``kill`` names."""
    counted = {"on": 1, "done": 0}
    own = threading.get_ident()

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if not counted["on"] or (event not in CHANGES and event != "open"):
            return
        path = arguments[0]
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        if not isinstance(path, str | os.PathLike) or str(path).startswith((str(scratch), "/dev", "/proc")):
            return
        if not Path(path).is_relative_to(folder) and Path(path).is_absolute():
            return
        counted["done"] += 1
        if kill is not None and kill.where == where and counted["done"] == kill.number:
            if kill.delay == 0 or threading.get_ident() != own:
                os.killpg(0, kill.signal)
                return
            threading.Thread(target=_kill_later, args=(kill.delay,), daemon=True).start()

    sys.addaudithook(hook)
    return counted


def _kill_later(delay: float) -> None:
    time.sleep(delay)
    os.killpg(0, signal.SIGKILL)


def _meter(path: Path) -> None:
    """Note every row that goes through a model, and every training step, before it is done."""
    from pipeline.encoders.load import ModelEncoder
    from pipeline.training.step import Steps

    def note(kind: str, count: int) -> None:
        with path.open("a") as opened:
            opened.write(f"{kind} {count}\n")

    encode, take = ModelEncoder.encode_tokens, Steps.take

    def encode_tokens(self: ModelEncoder, batch: object) -> object:
        note("sentences", len(batch.lengths))
        return encode(self, batch)

    def take_step(self: Steps, progress: object) -> object:
        note("steps", 1)
        return take(self, progress)

    ModelEncoder.encode_tokens, Steps.take = encode_tokens, take_step


def artifacts(folder: Path) -> dict[str, bytes]:
    """Every artifact's bytes; not how long stages took (the report), nor how many vectors the store had (teach's metrics)."""
    found = {}
    for top in ARTIFACTS:
        for path in sorted((folder / top).rglob("*")):
            parts = path.relative_to(folder).parts
            if path.is_file() and parts[1] not in NOT_ARTIFACTS and not DVC_TEMPORARY.fullmatch(path.name):
                content = path.read_bytes()
                if path.name == "index.html":
                    content = re.sub(rb'<section id="cost">.*?</section>', b"", content, flags=re.DOTALL)
                if parts == ("metrics", "teach.json"):
                    content = re.sub(rb'"(hits|misses)": \d+', b"", content)
                found["/".join(parts)] = content
    return found


def leftovers(folder: Path) -> list[str]:
    """Temporary files and folders, and notes of who holds a lock."""
    return [
        path.relative_to(folder).as_posix()
        for top in ARTIFACTS
        for path in sorted((folder / top).rglob("*"))
        if (path.suffix in (".tmp", ".part") and not DVC_TEMPORARY.fullmatch(path.name))
        or (path.suffix == ".json" and path.parent.name == "locks")
    ]


@dataclass
class Reference:
    """The uninterrupted run of one stage.

    Attributes:
        stage: its name.
        before: a copy of the project just before it.
        after: the artifacts after it.
        outcome: of its run.
    """

    stage: str
    before: Path
    after: dict[str, bytes]
    outcome: Outcome


def uninterrupted(folder: Path, copies: Path) -> list[Reference]:
    """Run the stages one by one; a copy of the project before each of them."""
    references = []
    for stage in STAGES:
        before = copies / stage
        shutil.copytree(folder, before, symlinks=True)
        outcome = repro(folder, stage)
        if outcome.code != 0:
            raise SystemExit(f"{stage} failed:\n{outcome.printed}")
        references.append(Reference(stage, before, artifacts(folder), outcome))
    return references


def choose(reference: Reference, chance: random.Random) -> Kill:
    """A random moment of a stage's run."""
    where = chance.choices(("stage", "dvc", "time"), (5, 3, 2))[0]
    if where == "time":
        return Kill(where, delay=chance.uniform(0.05, reference.outcome.seconds))
    delay = chance.choice((0.0, 0.0, 0.0, 0.0003, 0.003, 0.03))
    return Kill(where, chance.randint(1, max(1, reference.outcome.operations[where])), delay)


@dataclass
class Result:
    """One kill and what came of it.

    Attributes:
        stage: which one.
        kill: when.
        hit: whether it ended the run (a moment after the last operation may come too late).
        redone: work done more than once, by kind.
        help: what `softalign mend` had to delete before DVC ran again.
        wrong: artifacts that differ, and other failures.
        left: temporary files that stayed.
    """

    stage: str
    kill: Kill
    hit: bool
    redone: dict[str, int]
    help: str
    wrong: list[str]
    left: list[str]


def stop_once(reference: Reference, number: int, chance: random.Random, folder: Path) -> dict[str, object]:
    """Ask a stage under `dvc repro` to stop, in the middle of its work; what it says, leaves and goes on to."""
    shutil.copytree(reference.before, folder, symlinks=True)
    kill = Kill("stage", chance.randint(3, reference.outcome.operations["stage"] - 3), signal=number)
    stopped = repro(folder, reference.stage, kill)
    said = [line for line in stopped.printed.splitlines() if line.startswith("softalign: ")]
    expected = "interrupted" if number == signal.SIGINT else "stopped by SIGTERM"
    bad = []
    if len(said) != 1 or expected not in said[0] or "Traceback" in stopped.printed:
        bad.append(stopped.printed[-3000:])
    # DVC itself lets Ctrl-C pass to the stage and says how that ended; SIGTERM ends it at once.
    if number == signal.SIGINT and "exited with 130" not in stopped.printed:
        bad.append(stopped.printed[-3000:])
    again = repro(folder, reference.stage)
    if again.code != 0 or artifacts(folder) != reference.after:
        bad.append(again.printed[-3000:] or "other bytes")
    bad += leftovers(folder)
    work = stopped.work + again.work
    work.subtract(reference.outcome.work)
    redone = {kind: count for kind, count in work.items() if count}
    return {"stage": reference.stage, "stop": vars(kill), "said": said, "redone": redone, "bad": bad}


def mend(folder: Path) -> str:
    """Let `softalign mend` delete what DVC left half-written; returns what it says."""
    command = [sys.executable, "-m", "softalign", "mend"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout


def kill_once(reference: Reference, kill: Kill, folder: Path) -> Result:
    """Copy the project as it was before a stage, kill the stage, run it again and compare."""
    shutil.copytree(reference.before, folder, symlinks=True)
    killed = repro(folder, reference.stage, kill)
    again = repro(folder, reference.stage)
    helped = ""
    if again.code != 0:
        helped = mend(folder)
        again = repro(folder, reference.stage)
    wrong = [f"exit code {again.code}: {again.printed[-2000:]}"] if again.code != 0 else []
    if not wrong:
        found = artifacts(folder)
        wrong = sorted(name for name in {*found, *reference.after} if found.get(name) != reference.after.get(name))
    work = killed.work + again.work
    work.subtract(reference.outcome.work)
    left = [] if wrong else leftovers(folder)
    hit = killed.code == -signal.SIGKILL
    return Result(
        reference.stage, kill, hit, {name: count for name, count in work.items() if count}, helped, wrong, left
    )


def largest_shard(folder: Path) -> int:
    """Rows of the largest shard that goes through a model."""
    from pipeline.artifacts.shards import open_shard

    return max(len(open_shard(path)) for path in (folder / "data" / "tokens").rglob("*.arrow"))


def run_all(options: argparse.Namespace, scratch: Path) -> dict[str, object]:
    """All kills and stops, stage by stage in turn; prints each and returns what they come to."""
    chance = random.Random(options.seed)  # noqa: S311  (nothing secret)
    project = write_project(scratch / "project")
    warm_up()
    references = [each for each in uninterrupted(project, scratch / "before") if each.stage in options.stages]
    say({each.stage: [each.outcome.operations, each.outcome.work] for each in references})
    folder, results, stops = scratch / "killed", [], []
    for number in range(options.kills):
        reference = references[number % len(references)]
        result = kill_once(reference, choose(reference, chance), folder)
        if options.keep is not None and (result.wrong or result.left):
            shutil.copytree(folder, options.keep / f"{options.seed}-{number:04d}", symlinks=True)
        shutil.rmtree(folder)
        results.append(result)
        say(vars(result) | {"kill": vars(result.kill)})
    for number in range(options.stops):
        reference = references[(number * 4) % len(references)]
        stops.append(stop_once(reference, (signal.SIGTERM, signal.SIGINT)[number % 2], chance, folder))
        shutil.rmtree(folder)
        say(stops[-1])
    hits = [result for result in results if result.hit]
    return {
        "killed": len(hits),
        "too late": len(results) - len(hits),
        "by stage": dict(collections.Counter(result.stage for result in hits)),
        "by kind": dict(collections.Counter(result.kill.where for result in hits)),
        "wrong": sum(bool(result.wrong) for result in results),
        "left something": sum(bool(result.left) for result in results),
        "DVC needed help": sum(bool(result.help) for result in results),
        "most redone": {
            kind: max((result.redone.get(kind, 0) for result in results), default=0) for kind in ("sentences", "steps")
        },
        "largest shard": largest_shard(project),
        "checkpoint every": CHECKPOINT_EVERY,
        "stopped": len(stops),
        "stopped badly": sum(bool(stop["bad"]) for stop in stops),
    }


def say(what: object) -> None:
    """A line of JSON."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def walk(seed: int, least: int) -> tuple[int, list[str]]:
    """Kill whole `dvc repro`s at random times until one ends; returns how many were killed and what was wrong."""
    chance = random.Random(seed)  # noqa: S311  (nothing secret)
    environment = {**os.environ, **SETTINGS, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment.pop("SOFTALIGN_STORE", None)
    with tempfile.TemporaryDirectory(prefix="softalign-walk-") as name:
        scratch = Path(name)
        environment["DVC_SITE_CACHE_DIR"] = str(scratch / "site")
        whole, broken = write_project(scratch / "whole"), scratch / "broken"
        shutil.copytree(whole, broken, symlinks=True)
        start = time.monotonic()
        subprocess.run(["dvc", "repro"], cwd=whole, env={**environment, "PYTHONPATH": str(whole)}, check=True)
        seconds = time.monotonic() - start
        killed = 0
        while True:
            process = subprocess.Popen(
                ["dvc", "repro"], cwd=broken, env={**environment, "PYTHONPATH": str(broken)}, start_new_session=True
            )
            # Less than a whole run takes, so that every stage gets its turn; then without limit, so that it ends.
            limit = None if killed >= 10 * least else chance.uniform(1, 0.8 * seconds)
            try:
                code = process.wait(limit)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                killed += 1
                continue
            if code == 0:
                break
            if mend(broken) == "nothing to mend\n":
                return killed, [f"dvc repro exited {code}"]
        expected, found = artifacts(whole), artifacts(broken)
        wrong = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
        return killed, wrong + leftovers(broken)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=18, help="how many kill -9")
    parser.add_argument("--stops", type=int, default=0, help="how many SIGTERM and SIGINT")
    parser.add_argument(
        "--walks", type=int, default=0, help="how many whole runs of real programs, killed at random times"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stages", nargs="+", default=STAGES, choices=STAGES)
    parser.add_argument("--keep", type=Path, help="where to copy projects that went wrong")
    options = parser.parse_args()
    os.environ.update(SETTINGS)
    os.environ.pop("SOFTALIGN_STORE", None)
    with tempfile.TemporaryDirectory(prefix="softalign-kills-") as name:
        os.environ["DVC_SITE_CACHE_DIR"] = str(Path(name) / "site")
        summary = run_all(options, Path(name))
    bad = sum(int(str(summary[kind])) for kind in ("wrong", "left something", "stopped badly"))
    for number in range(options.walks):
        killed, wrong = walk(options.seed + number, least=3)
        bad += bool(wrong)
        say({"walk": number, "killed": killed, "wrong": wrong})
    say(summary)
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()
