"""Model folders made to harm, or that contradict themselves: refused with a line, and nothing of them is run."""

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from small import make_transformer, sentence

from pipeline.console.errors import InputError, UserError
from pipeline.encoders.load import EncoderSettings, load_encoder, save_encoder
from pipeline.encoders.model import StaticModel
from pipeline.encoders.resolve import resolve_model
from pipeline.encoders.tokenization import TextTokenizer, train_tokenizer


@pytest.fixture
def folder(tiny_teacher: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_teacher, tmp_path / "m"))


@pytest.fixture
def static(tmp_path: Path) -> Path:
    tokenizer = train_tokenizer(iter([sentence(number) for number in range(0, 3000, 7)]), 300)
    (tmp_path / "s").mkdir()
    save_encoder(StaticModel(torch.randn(300, 8)), TextTokenizer(tokenizer, "", 16, False), tmp_path / "s")
    return tmp_path / "s"


def load(folder: Path, **settings):
    return load_encoder(resolve_model("teacher.model", str(folder), None, folder.parent), EncoderSettings(**settings))


class Evil:
    """A pickle that leaves a file behind when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


def test_a_pickle_is_not_opened(folder: Path, tmp_path: Path):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Evil(tmp_path / "run")))
    with pytest.raises(UserError, match=r"holds only pytorch_model.bin, a pickle, which is never loaded"):
        load(folder)
    assert not (tmp_path / "run").exists()


def test_a_pickle_beside_safetensors_is_left_alone(folder: Path, tmp_path: Path):
    for name in ("pytorch_model.bin", "optimizer.pt", "training_args.bin"):
        (folder / name).write_bytes(pickle.dumps(Evil(tmp_path / "run")))
    load(folder)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_code_of_its_own_is_refused_and_not_run(name: str, folder: Path, tmp_path: Path):
    (folder / "evil.py").write_text(f"import pathlib\npathlib.Path({str(tmp_path / 'run')!r}).touch()\nclass M: pass\n")
    config = json.loads((folder / name).read_text())
    (folder / name).write_text(
        json.dumps({**config, "auto_map": {"AutoModel": "evil.M", "AutoTokenizer": ["evil.M", None]}})
    )
    with pytest.raises(UserError, match=rf"{name} asks for code of its own \(auto_map\), which is never run"):
        load(folder)
    assert not (tmp_path / "run").exists()


def test_modules_are_names_and_never_imported(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "evil.py").write_text(f"import pathlib\npathlib.Path({str(tmp_path / 'run')!r}).touch()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = "evil.Transformer"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(
        UserError, match=r"modules.json: asks for code of its own \(evil.Transformer\), which is never run"
    ):
        load(folder)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", "[]", "config.json holds no object"),
        ("config.json", "[" * 100_000, "config.json is not JSON"),
        ("config.json", '{"model_type": "bert", "hidden_size": "x"}', "can't be loaded as a transformer"),
        ("config.json", '{"model_type": "bert", "num_attention_heads": 0}', "can't be loaded as a transformer"),
        ("tokenizer_config.json", "5", "tokenizer_config.json holds no object"),
        ("modules.json", "[1]", "modules.json: expected a list of objects"),
        ("modules.json", '{"a": 1}', "modules.json: expected a list of objects"),
        ("1_Pooling/config.json", "[1]", "config.json: expected an object"),
    ],
)
def test_configurations_of_another_form(name: str, content: str, message: str, folder: Path):
    (folder / name).write_text(content)
    with pytest.raises(UserError, match=message):
        load(folder)


def test_weights_that_lack_are_not_made_up(folder: Path):
    """The library fills them with random numbers, and only warns."""
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.endswith("layer.1.output.dense.weight"))
    del weights[name]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"its weights lack \S*encoder.layer.1.output.dense.weight and 0 more"):
        load(folder)


def test_a_tokenizer_of_another_model(static: Path):
    tokenizer = train_tokenizer(iter([sentence(number) for number in range(0, 4000, 3)] + ["абвгд" * 9]), 400)
    tokenizer.save(str(static / "tokenizer.json"))
    weight = load_file(static / "model.safetensors")["embedding.weight"]
    save_file({"embedding.weight": weight[:20].contiguous()}, static / "model.safetensors")
    encoder = load(static)
    with pytest.raises(
        UserError, match=r"gives token \d+, but it has vectors for only 20; tokenizer and weights don't belong"
    ):
        encoder.encode_tokens(encoder.tokenize([sentence(5)]))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_static_weights_that_are_not_finite(value: float, static: Path):
    weight = load_file(static / "model.safetensors")["embedding.weight"]
    weight[7, 3] = value
    save_file({"embedding.weight": weight}, static / "model.safetensors")
    with pytest.raises(InputError, match=r"embedding.weight has a NaN or an infinity"):
        load(static)


def test_more_tokens_than_positions(tmp_path: Path):
    """Tiny XLM-R has 80 position vectors, of which its padding takes one: 79 tokens."""
    encoder = load(make_transformer(tmp_path / "x", kind="xlm-roberta"), max_length=200)
    with pytest.raises(UserError, match=r"a sentence of 200 tokens.*only 79 positions; lower max_length to 79"):
        encoder.encode_tokens(encoder.tokenize(["river " * 10_000]))
    assert encoder.encode_tokens(encoder.tokenize([" ".join(["river"] * 10)])).shape == (1, 32)


@pytest.mark.parametrize(
    "replaced", [{"merges": [["a", "b"]]}, {"vocab": {}}, {"type": "Unigram", "vocab": [], "unk_id": 5}]
)
def test_a_tokenizer_that_contradicts_itself(replaced: dict, static: Path):
    content = json.loads((static / "tokenizer.json").read_text())
    content["model"] = {**content["model"], **replaced}
    (static / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"tokenizer.json: not a tokenizer"):
        load(static)
