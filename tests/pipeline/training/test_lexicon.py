"""Token vectors that start from those of like meaning."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small import WORDS
from tiny_project import OTHER, run_to_neighborhoods, write_project
from tokenizers import Tokenizer

from pipeline.artifacts.folders import TokenFolder
from pipeline.config.train import Lexicon
from pipeline.encoders.model import fresh_static
from pipeline.training.lexicon import glosses, start_from_lexicon, token_counts
from pipeline.training.trainer import Trainer
from stages import train
from stages.running.command import Project

LEXICON = {"steps": 150, "batch_size": 128, "frequency": 1, "learning_rate": 0.02}
SHORT = {"steps": 1, "batch_size": 32, "learning_rate": 1e-9}


def test_glosses_by_hand():
    vectors = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.0], [3.0, 3.0]])
    weight = torch.tensor([[1.0], [10.0], [100.0], [0.0]])
    own, others = torch.tensor([0, 1, 2]), torch.tensor([3])
    # token 3 is at 45 degrees between 0 and 1: both cosines are 0.5 ** 0.5, and that with 2 is its negative
    two = glosses(weight, vectors, own, others, Lexicon(neighbors=2, temperature=0.5))
    assert two.tolist() == [[5.5]]
    three = glosses(weight, vectors, own, others, Lexicon(neighbors=9, temperature=0.5))
    near, far = math.exp(0.5**0.5 / 0.5), math.exp(-(0.5**0.5) / 0.5)
    assert three.item() == pytest.approx((near * 1 + near * 10 + far * 100) / (2 * near + far), rel=1e-5)


def test_no_tokens_to_gloss():
    found = glosses(torch.ones(3, 4), torch.ones(3, 2), torch.tensor([0]), torch.empty(0, dtype=torch.long), Lexicon())
    assert found.shape == (0, 4)


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory, tiny_teacher: Path) -> Path:
    """A project with a student of kind teacher, up to and including the stage neighborhoods."""
    root = write_project(tmp_path_factory.mktemp("project"), tiny_teacher, student={"kind": "teacher"})
    run_to_neighborhoods(root)
    return root


def _trained(root: Path, tiny_teacher: Path, **train_params) -> torch.Tensor:
    """The token vectors of a student that was hardly trained."""
    project = Project.open(
        write_project(root, tiny_teacher, student={"kind": "teacher"}, train={**SHORT, **train_params})
    )
    train.run(project)
    return load_file(project.layout.student / "model.safetensors")["embeddings.word_embeddings.weight"]


def test_words_start_at_their_translations(taught: Path, tiny_teacher: Path):
    vectors = _trained(taught, tiny_teacher, lexicon=LEXICON)
    tokenizer = Tokenizer.from_file(str(Project.open(taught).layout.tokenizer / "tokenizer.json"))
    ids = {word: tokenizer.token_to_id(word) for word in WORDS}
    others = {word: tokenizer.token_to_id(OTHER[word].lower()) for word in WORDS}
    whole = [word for word in WORDS if ids[word] is not None and others[word] is not None]
    assert len(whole) >= 8
    english = torch.nn.functional.normalize(vectors[[ids[word] for word in whole]], dim=1)
    foreign = torch.nn.functional.normalize(vectors[[others[word] for word in whole]], dim=1)
    assert ((foreign @ english.T).argmax(dim=1) == torch.arange(len(whole))).all()
    random = _trained(taught, tiny_teacher, lexicon=None)
    foreign = torch.nn.functional.normalize(random[[others[word] for word in whole]], dim=1)
    assert ((foreign @ english.T).argmax(dim=1) == torch.arange(len(whole))).float().mean() < 0.5
    # the teacher's own words are where they were
    torch.testing.assert_close(random[[ids[word] for word in whole]], vectors[[ids[word] for word in whole]])
    special = [tokenizer.token_to_id(name) for name in ("[PAD]", "[UNK]", "[CLS]", "[SEP]")]
    torch.testing.assert_close(random[special], vectors[special])


def test_the_same_vectors_again_and_after_a_stop(taught: Path, tiny_teacher: Path, monkeypatch: pytest.MonkeyPatch):
    first = _trained(taught, tiny_teacher, lexicon=LEXICON)
    layout = Project.open(taught).layout
    assert (layout.checkpoints / "lexicon").is_dir()
    steps = []
    take = Trainer._take_steps

    def counted(self, *arguments):
        steps.append(self.name)
        return take(self, *arguments)

    monkeypatch.setattr(Trainer, "_take_steps", counted)
    (layout.checkpoints / "state.safetensors").unlink()
    assert torch.equal(_trained(taught, tiny_teacher, lexicon=LEXICON), first)
    assert steps == ["train"]  # the static student was there already
    (layout.checkpoints / "lexicon" / "state.safetensors").unlink()
    (layout.checkpoints / "state.safetensors").unlink()
    assert torch.equal(_trained(taught, tiny_teacher, lexicon=LEXICON), first)
    assert steps == ["train", "lexicon", "train"]


def test_without_a_token_of_the_teachers_there_is_no_lexicon(taught: Path, tiny_teacher: Path, caplog):
    found = _trained(taught, tiny_teacher, lexicon={**LEXICON, "frequency": 10**6})
    assert "no token is the teacher's own" in caplog.text
    assert torch.equal(found, _trained(taught, tiny_teacher, lexicon=None))


def test_counts_of_tokens(taught: Path):
    folder = TokenFolder(Project.open(taught).layout.tokens / "student" / "en")
    assert len(folder.batches) > 1
    tokens = folder.select(np.arange(len(folder))).tokens
    assert (token_counts([folder, folder], 400) == 2 * np.bincount(tokens, minlength=400)).all()


def test_a_static_student_has_no_use_for_it(tiny_teacher: Path):
    with pytest.raises(ValueError, match="static"):
        start_from_lexicon(fresh_static(5, 4, 0), tiny_teacher, None, None, Lexicon())
