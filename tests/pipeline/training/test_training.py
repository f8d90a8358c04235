import json
from pathlib import Path

import numpy as np
import pytest
import torch
from loss_batches import make_batch, term, unit
from safetensors.torch import load_file
from small import sentence
from tiny_project import run_to_neighborhoods, write_project

from pipeline.artifacts.folders import TokenFolder, VectorFolder
from pipeline.artifacts.pairs import HeldOutFolder, PairFolder
from pipeline.artifacts.shards import open_folder
from pipeline.config.train import Train
from pipeline.console.errors import UserError
from pipeline.encoders.load import EncoderSettings, load_transformer
from pipeline.encoders.tokenization import load_tokenizer
from pipeline.ground.hashing import folder_hash, locate
from pipeline.labels.neighborhoods import soft_weights
from pipeline.labels.points import label_points
from pipeline.losses.batch import Anchors
from pipeline.losses.combine import build_loss
from pipeline.training.batches import BatchPlan
from pipeline.training.build import set_dropout
from pipeline.training.checkpoint import TENSORS, TrainingProgress, load_checkpoint, save_checkpoint
from pipeline.training.data import StoredNeighborhoods
from pipeline.training.objective import training_loss
from pipeline.training.optimizer import learning_rate
from pipeline.training.trainer import Trainer
from stages import tokenize, train
from stages.inputs.training_data import read_dev
from stages.running.command import Project


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory, tiny_teacher: Path) -> Path:
    """A project up to and including the stage neighborhoods."""
    root = write_project(tmp_path_factory.mktemp("project"), tiny_teacher, labels={"strategy": "average"})
    run_to_neighborhoods(root)
    return root


def _points(root: Path, strategy: str = "priority"):
    layout = Project.open(root).layout
    teacher_a, teacher_b = VectorFolder(layout.teacher / "en"), VectorFolder(layout.teacher / "fr")
    return label_points(PairFolder(layout.pairs / "en-fr"), strategy, teacher_a, teacher_b)


def _with(root: Path, destination: Path, **sections: dict) -> Project:
    """The same artifacts with other parameters, in a folder of their own."""
    import shutil

    shutil.copytree(root, destination)
    teacher = Path(Project.open(root).params.teacher.model)
    sections.setdefault("labels", {"strategy": "average"})
    return Project.open(write_project(destination, teacher, **sections))


# Schedules


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("linear", [0.5, 1.0, 1.0, 0.5]), ("cosine", [0.5, 1.0, 1.0, 0.5]), ("constant", [0.5, 1, 1, 1])],
)
def test_learning_rates_by_hand(schedule: str, expected: list[float]):
    config = Train(steps=10, warmup_steps=2, learning_rate=1.0, schedule=schedule)
    assert [learning_rate(step, config) for step in (0, 1, 2, 6)] == pytest.approx(expected)


def test_the_learning_rate_never_grows_after_the_warm_up_nor_reaches_zero_before_the_end():
    for schedule in ("linear", "cosine"):
        rates = [learning_rate(step, Train(steps=50, warmup_steps=5, schedule=schedule)) for step in range(50)]
        assert (np.diff(rates[5:]) <= 0).all()
        assert min(rates) > 0


# Batches


def test_an_epoch_visits_every_pair_at_most_once_and_nearly_all():
    plan = BatchPlan([103, 40, 0], batch_size=10, seed=3)
    seen: dict[int, list[int]] = {0: [], 1: []}
    for step in range(plan.batches_per_epoch):
        batch = plan.batch(step)
        assert len(batch.rows) == 10
        seen[batch.language_pair].extend(batch.rows.tolist())
    assert {name: (len(rows), len(set(rows))) for name, rows in seen.items()} == {0: (100, 100), 1: (40, 40)}


def test_a_batch_is_a_function_of_seed_and_step():
    steps = [25, 3, 14, 3, 0]
    first, second = BatchPlan([103, 40], 10, seed=3), BatchPlan([103, 40], 10, seed=3)
    expected = {step: second.batch(step) for step in sorted(steps)}
    for step in steps:
        batch = first.batch(step)
        assert batch.language_pair == expected[step].language_pair
        assert (batch.rows == expected[step].rows).all()
    assert not np.array_equal(BatchPlan([103], 10, seed=4).batch(0).rows, BatchPlan([103], 10, seed=3).batch(0).rows)


def test_fewer_pairs_than_a_batch_are_one_batch():
    plan = BatchPlan([7], batch_size=10, seed=0)
    assert sorted(plan.batch(0).rows.tolist()) == list(range(7))
    assert plan.batches_per_epoch == 1


def test_weights_say_how_often_a_pair_is_drawn():
    weights = np.array([1.0] * 40 + [2.5] * 20 + [0.25] * 40)
    plan = BatchPlan([100], batch_size=10, seed=1, weights=[weights])
    assert plan.batches_per_epoch == 10
    counts = np.zeros(100)
    for step in range(200):
        for row in plan.batch(step).rows:
            counts[row] += 1
    epochs = 20
    assert ((counts[:40] >= epochs - 1) & (counts[:40] <= epochs + 1)).all()
    np.testing.assert_allclose(counts[40:60].mean() / epochs, 2.5, atol=0.05)
    np.testing.assert_allclose(counts[60:].mean() / epochs, 0.25, atol=0.05)


def test_weights_are_those_of_the_pairs_corpora(taught: Path):
    pairs = PairFolder(Project.open(taught).layout.pairs / "en-fr")
    assert pairs.weights({"made-up": 1.0}) is None
    weights = pairs.weights({"made-up": 2.0, "other": 1.0})
    assert weights is not None
    assert weights.tolist() == [2.0] * len(pairs)


def test_no_pairs_at_all():
    with pytest.raises(ValueError, match="no training pairs"):
        BatchPlan([0, 0], 10, seed=0)


def test_neighbor_batches_hold_neighbors_and_no_pair_twice(taught: Path):
    points = _points(taught, "average")
    neighbors = StoredNeighborhoods.read(open_folder(Project.open(taught).layout.neighborhoods / "en-fr"), points.keys)
    plan = BatchPlan([len(points.of_pair)], 32, 1, neighbors_per_pair=3, points=[points], neighbors=[neighbors])
    random = BatchPlan([len(points.of_pair)], 32, 1)
    share = {"near": [], "random": []}
    for step in range(10):
        for name, chosen in (("near", plan), ("random", random)):
            rows = chosen.batch(step).rows
            assert len(set(rows.tolist())) == len(rows) == 32
            inside, total = neighbors.coverage(points.of_pair[rows])
            share[name].append(inside / total)
    assert np.mean(share["near"]) > 2 * np.mean(share["random"])


# Label points and neighbourhoods


@pytest.mark.parametrize("strategy", ["priority", "average"])
def test_label_similarities_are_the_paper_s(taught: Path, strategy: str):
    layout = Project.open(taught).layout
    pairs = PairFolder(layout.pairs / "en-fr")
    teacher = {language: VectorFolder(layout.teacher / language) for language in ("en", "fr")}
    g = {}
    for language, keys in (("en", pairs.a), ("fr", pairs.b)):
        wide = teacher[language].select(teacher[language].rows_of(keys)).astype(np.float64)
        g[language] = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    labels = _points(taught, strategy)
    vectors = labels.vectors(labels.of_pair[:20]).astype(np.float64)
    for i in range(20):
        for j in range(20):
            similarity = g["en"][i] @ g["en"][j]
            if strategy == "average":
                similarity = (similarity + g["fr"][i] @ g["fr"][j]) / 2
            assert vectors[i] @ vectors[j] == pytest.approx(similarity, abs=1e-6)


def test_neighborhoods_equal_the_naive_ones(taught: Path):
    layout = Project.open(taught).layout
    points = _points(taught, "average")
    vectors = points.vectors(np.arange(len(points))).astype(np.float16).astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -np.inf)
    shards = open_folder(layout.neighborhoods / "en-fr")
    assert len(shards) > 1
    neighbors = StoredNeighborhoods.read(shards, points.keys)
    best = np.sort(similarity, axis=1)[:, ::-1][:, :4]
    found = np.take_along_axis(similarity, neighbors.point, axis=1)
    np.testing.assert_allclose(found, best, atol=1e-5)
    np.testing.assert_allclose(neighbors.weight, soft_weights(best.astype(np.float32), 0.1), atol=1e-4)


def test_one_sentence_with_many_translations_is_one_point(taught: Path):
    points = _points(taught)
    pairs = PairFolder(Project.open(taught).layout.pairs / "en-fr")
    assert len(points) == len(set(pairs.a.tolist()))
    assert (points.keys[points.of_pair] == pairs.a).all()
    assert (pairs.a[points.first_pair] == points.keys).all()


def test_soft_weights_by_hand():
    weights = soft_weights(np.array([[0.9, 0.8]], dtype=np.float32), 0.1)
    total = 1 + np.exp(-1) + np.exp(-2)
    np.testing.assert_allclose(weights, [[np.exp(-1) / total, np.exp(-2) / total]], rtol=1e-5)


# Checkpoints and the whole loop


def test_a_checkpoint_brings_everything_back(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    def fresh() -> tuple[torch.nn.Linear, torch.optim.Optimizer]:
        torch.manual_seed(0)
        model = torch.nn.Linear(3, 2)
        return model, torch.optim.AdamW(model.parameters(), lr=0.1)

    def step(model: torch.nn.Linear, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        model(torch.rand(4, 3)).square().sum().backward()
        optimizer.step()

    model, optimizer = fresh()
    for _ in range(3):
        step(model, optimizer)
    save_checkpoint(tmp_path / "c", TrainingProgress("me", step=3), model, optimizer, {"weight": model.weight.detach()})
    torch.manual_seed(1)
    for _ in range(3):
        step(model, optimizer)
    again, other = fresh()
    found = load_checkpoint(tmp_path / "c", "me", again, other)
    assert found is not None
    assert found[0].step == 3
    torch.manual_seed(1)
    for _ in range(3):
        step(again, other)
    assert torch.equal(again.weight, model.weight)
    assert load_checkpoint(tmp_path / "c", "someone else", again, other) is None
    assert load_checkpoint(tmp_path / "nowhere", "me", again, other) is None
    (tmp_path / "c" / "state.safetensors").write_bytes(b"half")
    assert load_checkpoint(tmp_path / "c", "me", again, other) is None
    assert "state.safetensors: a damaged checkpoint" in caplog.text


def _student(project: Project) -> str:
    return folder_hash(project.layout.student)


def test_training_learns_and_is_the_same_twice(taught: Path, tmp_path: Path):
    projects = [_with(taught, tmp_path / name) for name in ("one", "two")]
    for project in projects:
        train.run(project)
    assert _student(projects[0]) == _student(projects[1])
    metrics = json.loads((projects[0].layout.metrics / "train.json").read_text())
    assert metrics["dev_accuracy"] > 0.1  # by chance: 0.01; words in another order are the same to a static student
    assert {name.partition(".")[0] for name in load_file(projects[0].layout.checkpoints / TENSORS)} == {"best"}


@pytest.mark.parametrize("stop_after", [17, 30])
def test_a_stopped_training_goes_on_to_the_same_bytes(
    taught: Path, tmp_path: Path, stop_after: int, monkeypatch: pytest.MonkeyPatch
):
    from pipeline.training.step import Steps

    whole, stopped = _with(taught, tmp_path / "whole"), _with(taught, tmp_path / "stopped")
    train.run(whole)
    original, calls = Steps.take, 0

    def stopping(self, *arguments):
        nonlocal calls
        if calls == stop_after:
            raise KeyboardInterrupt
        calls += 1
        return original(self, *arguments)

    monkeypatch.setattr(Steps, "take", stopping)
    with pytest.raises(KeyboardInterrupt):
        train.run(stopped)
    assert not stopped.layout.student.exists()
    calls = -1000
    train.run(stopped)
    assert calls == -1000 + 40 - 15 * (stop_after // 15)  # only the steps since the last checkpoint were done again
    assert _student(stopped) == _student(whole)
    assert (stopped.layout.metrics / "train.json").read_bytes() == (whole.layout.metrics / "train.json").read_bytes()
    assert folder_hash(stopped.layout.plots) == folder_hash(whole.layout.plots)


def test_a_checkpoint_of_other_parameters_is_not_resumed(taught: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from pipeline.training.step import Steps

    steps = {"steps": 40, "batch_size": 32, "eval_every": 10, "checkpoint_every": 15, "learning_rate": 0.01}
    project, expected = _with(taught, tmp_path / "a"), _with(taught, tmp_path / "b", train=steps)
    train.run(expected)
    with monkeypatch.context() as patch:
        original, calls = Steps.take, iter(range(20))
        patch.setattr(Steps, "take", lambda self, *rest: (next(calls), original(self, *rest))[1])
        with pytest.raises((StopIteration, RuntimeError)):
            train.run(project)
    assert project.layout.checkpoints.exists()
    write_project(tmp_path / "a", Path(project.params.teacher.model), train=steps, labels={"strategy": "average"})
    changed = Project.open(tmp_path / "a")
    train.run(changed)
    assert _student(changed) == _student(expected)


def test_a_loss_that_is_no_number_stops_with_one_line(taught: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from pipeline.training.step import Steps

    project = _with(taught, tmp_path / "nan")
    monkeypatch.setattr(Steps, "_loss_of", lambda self, vectors, *rest: vectors.sum() * torch.tensor(float("nan")))
    with pytest.raises(UserError, match=r"the loss is nan before step 10; the last good checkpoint stays"):
        train.run(project)
    assert not project.layout.student.exists()


@pytest.mark.parametrize(
    "sections",
    [
        {"train": {"loss": [{"name": "hard"}]}},
        {"train": {"loss": [{"name": "soft", "tcm": 0.5}, {"name": "mse", "weight": 2.0}]}},
        {"train": {"loss": [{"name": "hard"}, {"name": "corpus", "anchors": 20, "neighbors": 2}]}},
        {"train": {"batches": "neighbors", "neighbors_per_pair": 3}},
        {"train": {"gradient_accumulation": 2, "max_grad_norm": 1.0, "warmup_steps": 3, "schedule": "cosine"}},
        {"student": {"kind": "transformer", "transformer": {"hidden_size": 16, "layers": 1, "heads": 2}}},
        {"student": {"kind": "pretrained", "pooling": "mean"}},
        {"student": {"kind": "pretrained", "lora": {"rank": 4}}, "train": {"chunk": 7}},
        {"student": {"kind": "teacher"}, "train": {"lexicon": None, "frozen_layers": 1, "teacher_first": 0.5}},
        {"student": {"kind": "teacher"}, "train": {"lexicon": {"steps": 9, "frequency": 1}, "dropout": 0.0}},
        {
            "student": {"kind": "teacher", "lora": {"rank": 4, "targets": ["query", "value"]}},
            "train": {"lexicon": {"steps": 9, "frequency": 1}},
        },
    ],
    ids=[
        "hard",
        "tcm+mse",
        "corpus",
        "neighbors",
        "accumulation",
        "transformer",
        "pretrained",
        "lora in chunks",
        "frozen layers, first sides by the teacher",
        "teacher's layers",
        "teacher's layers with lora",
    ],
)
def test_every_way_to_train(taught: Path, tmp_path: Path, sections: dict, tiny_xlmr: Path):
    short = {"steps": 6, "batch_size": 32, "eval_every": 3, "learning_rate": 0.001}
    if sections.get("student", {}).get("kind") == "pretrained":
        sections["student"] |= {"model": str(tiny_xlmr), "prefix": "query: ", "vocabulary": 300}
    project = _with(taught, tmp_path / "p", **{**sections, "train": {**short, **sections.get("train", {})}})
    if "student" in sections:
        tokenize.run(project)
    train.run(project)
    from sentence_transformers import SentenceTransformer

    vectors = SentenceTransformer(str(project.layout.student), device="cpu").encode([sentence(3), sentence(9)])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_frozen_layers_stay_and_the_others_learn(taught: Path, tmp_path: Path, tiny_xlmr: Path):
    student = {"kind": "pretrained", "pooling": "mean", "model": str(tiny_xlmr)}
    project = _with(taught, tmp_path / "p", student=student, train={"steps": 2, "batch_size": 8, "frozen_layers": 1})
    tokenize.run(project)
    train.run(project)
    before, after = (load_file(folder / "model.safetensors") for folder in (tiny_xlmr, project.layout.student))
    same = {name for name in after if torch.equal(before[name], after[name])}
    frozen = {name for name in after if name.startswith(("embeddings.", "encoder.layer.0."))}
    assert frozen
    assert same == frozen


def test_the_saved_student_is_the_mean_of_the_trained_one_and_its_start(taught: Path, tmp_path: Path, tiny_xlmr: Path):
    student, found = {"kind": "pretrained", "pooling": "mean", "model": str(tiny_xlmr)}, {}
    for weight in (0.0, 0.25):
        config = {"steps": 2, "batch_size": 8, "start_weight": weight}
        project = _with(taught, tmp_path / str(weight), student=student, train=config)
        tokenize.run(project)
        train.run(project)
        found[weight] = load_file(project.layout.student / "model.safetensors")
    start = load_file(tiny_xlmr / "model.safetensors")
    for name, value in found[0.25].items():
        torch.testing.assert_close(value, 0.75 * found[0.0][name] + 0.25 * start[name], msg=name)
    assert any(not torch.equal(found[0.0][name], start[name]) for name in found[0.0])


def test_no_mean_with_a_start_of_random_numbers(taught: Path, tmp_path: Path):
    with pytest.raises(UserError, match=r"a model's weights, without lora; found student.kind 'static'"):
        _with(taught, tmp_path / "p", train={"start_weight": 0.5})


def test_more_frozen_layers_than_there_are(taught: Path, tmp_path: Path, tiny_xlmr: Path):
    student = {"kind": "pretrained", "model": str(tiny_xlmr)}
    project = _with(taught, tmp_path / "p", student=student, train={"steps": 2, "frozen_layers": 99})
    tokenize.run(project)
    with pytest.raises(
        UserError, match=r"train.frozen_layers: found 99, but the student has \d layers; expected no more"
    ):
        train.run(project)


@pytest.mark.parametrize(("share", "expected"), [(0.0, {2}), (0.5, {1, 2}), (1.0, {1})])
def test_first_sides_by_the_teacher_are_not_passed_through_the_student(
    taught: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float, expected: set[int]
):
    from pipeline.training import step

    sides, seen = [], []
    original, loss_of = step.backward, step.Steps._loss_of

    def looking(accelerator, model, found, *rest):
        sides.append(len(found))
        return original(accelerator, model, found, *rest)

    def watched(self, vectors, batch, rows, sizes):
        loss = loss_of(self, vectors, batch, rows, sizes)
        teacher = torch.from_numpy(self.pairs[0].points.teacher_and_labels(self.pairs[0].points.of_pair[rows])[0])
        both = vectors if len(vectors) > len(rows) else torch.cat([teacher, vectors])
        seen.append((loss.item(), loss_of(self, both, batch, rows, sizes).item()))
        return loss

    monkeypatch.setattr(step, "backward", looking)
    monkeypatch.setattr(step.Steps, "_loss_of", watched)
    config = {"steps": 12, "batch_size": 32, "teacher_first": share}
    train.run(_with(taught, tmp_path / "p", student={"dimension": 32}, train=config))
    assert set(sides) == expected
    assert all(found == pytest.approx(loss) for found, loss in seen)


def test_first_sides_by_a_teacher_of_other_dimensions(taught: Path, tmp_path: Path):
    project = _with(taught, tmp_path / "p", student={"dimension": 8}, train={"steps": 2, "teacher_first": 0.5})
    with pytest.raises(UserError, match=r"teacher_first: found 0.5 with a teacher of 32 dimensions and a student of 8"):
        train.run(project)


def test_locate_of_points_is_by_key(taught: Path):
    points = _points(taught)
    assert (locate(points.keys, points.keys) == np.arange(len(points))).all()


def test_dropout_of_every_layer(tiny_teacher: Path):
    model = load_transformer(tiny_teacher, EncoderSettings(max_length=16)).train()
    tokens = load_tokenizer(tiny_teacher, "", 16)([sentence(3), sentence(9)])
    assert not torch.equal(model(tokens), model(tokens))
    set_dropout(model, 0.0)
    assert torch.equal(model(tokens), model(tokens))


def test_the_weights_of_params_yaml_reach_the_batches(taught: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class StopError(Exception):
        pass

    def stop(trainer: Trainer) -> None:
        raise StopError(trainer.plan.drawn)

    corpora = [{"name": "made-up", "format": "moses", "path": "text.{lang}", "weight": 3.0}]
    project = _with(taught, tmp_path / "p", prepare={"corpora": corpora})
    monkeypatch.setattr(Trainer, "run", stop)
    with pytest.raises(StopError) as stopped:
        train.run(project)
    assert stopped.value.args == ([3 * len(PairFolder(project.layout.pairs / "en-fr"))],)


def test_a_checkpoint_belongs_to_all_that_it_was_trained_with(taught: Path, tmp_path: Path):
    """What changes one of these must not go on with the steps of before."""
    project = _with(taught, tmp_path / "p")
    before = train._identity(project, None)
    assert train._identity(Project.open(tmp_path / "p"), None) == before
    layout = project.layout
    for folder in (layout.pairs, layout.heldout, layout.neighborhoods):
        more = folder / "en-fr" / "more"
        more.touch()
        assert train._identity(project, None) != before, folder
        more.unlink()
    teacher = Path(project.params.teacher.model)
    corpora = [{"name": "made-up", "format": "moses", "path": "text.{lang}", "weight": 3.0}]
    changes: list[dict] = [{"prepare": {"corpora": corpora}}, {"seed": 8}, {"train": {"learning_rate": 0.01}}]
    for change in [*changes, {"labels": {"strategy": "priority"}}]:
        sections = {"labels": {"strategy": "average"}, **change}
        changed = Project.open(write_project(tmp_path / "p", teacher, **sections))
        assert train._identity(changed, None) != before, change


def test_the_dev_set_is_the_held_out_pairs_of_dev(taught: Path):
    project = Project.open(taught)
    heldout = HeldOutFolder(project.layout.heldout / "en-fr")
    (found,) = read_dev(project)
    for side, language, keys in ((found.a, "en", heldout.a), (found.b, "fr", heldout.b)):
        tokens = TokenFolder(project.layout.tokens / "monolingual" / language)
        expected = tokens.select(tokens.rows_of(keys[heldout.sets == "dev"]))
        assert side.tokens.tolist() == expected.tokens.tolist()
        assert side.lengths.tolist() == expected.lengths.tolist()


def test_every_epoch_has_an_order_of_its_own():
    plan = BatchPlan([40], batch_size=10, seed=3)
    epochs = [[plan.batch(4 * epoch + number).rows.tolist() for number in range(4)] for epoch in range(2)]
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("soft", {"teacher": 0.3, "student": 0.7}),
        ("corpus", {"teacher": 0.3, "student": 0.7}),
        ("hard", {"student": 0.7}),
        ("kl", {"student": 0.7}),
    ],
)
def test_losses_have_the_temperatures_of_teacher_and_student(name: str, options: dict[str, float]):
    batch = make_batch(labels=4, teacher=4, anchors=Anchors(unit(9, 4, 7), unit(9, 4, 8)))
    dimensions = {"student_dimension": 5, "teacher_dimension": 4}
    expected = build_loss([term(name, 1.0, **options)], **dimensions, seed=1).double()(batch)
    config = Train(loss=[{"name": name}], temperature={"teacher": 0.3, "student": 0.7})
    assert float(training_loss(config, 5, 4, 1).double()(batch).detach()) == pytest.approx(float(expected.detach()))
    own = Train(loss=[{"name": name, "temperature": {"teacher": 0.3, "student": 0.7}}])
    assert float(training_loss(own, 5, 4, 1).double()(batch).detach()) == pytest.approx(float(expected.detach()))
