"""A pretrained model with the part of its vocabulary that a corpus uses: tokenizer and token vectors cut alike.

Four fifths of multilingual-e5-small are vectors of 250,000 tokens in a hundred languages; text in five of them uses a tenth.
Kept are the tokens that the training text uses, and what any other text falls back to: every single character, bytes,
special tokens. Ids close up and keep their order, and nothing else changes, so **text whose tokens were all kept has the same
tokens, and the same vectors**:

- Unigram: the best path of pieces is still there and no new one is; of equally good ones the same comes first. The piece
  with the lowest score is kept as well, because the unknown token's score hangs on it.
- Byte-pair encoding: what a kept token is merged from is kept, by every merge that makes it; of the merges that are
  possible at a step the first one in rank is therefore the same.
- WordPiece: the longest piece at every place is the same, but for words that were the unknown token.

Other text is cut into smaller pieces; how much that costs is measured by `bench/trimming.py` (docs/experiments.md).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from pipeline.console.errors import InputError, UserError
from pipeline.encoders.layout import read_layout
from pipeline.encoders.tokenization import TextTokenizer, load_tokenizer

if TYPE_CHECKING:
    import torch

    from pipeline.encoders.model import SentenceModel, TransformerModel

MARKS = re.compile(r"^(##|▁|Ġ)|(</w>)$")
"""How vocabularies mark a token at a word's start, inside a word, or at its end."""
BYTE = re.compile(r"<0x[0-9A-F]{2}>")
FIRST_IDS = 100
"""Models that count positions from the padding have it among these: what comes before it is kept, so that it stays there."""
MOST_UNKNOWN = 0.5
"""The largest share of a language's own tokens that may be the unknown one."""


@dataclass(frozen=True)
class VocabularyUse:
    """Which tokens a language's text uses."""

    language: str  # the language's code
    used: NDArray[np.bool_]  # whether each token is used, by its id [v]
    # occurrences of tokens that say something: neither special, nor the prefix', nor a bare mark of a word's start
    known: int
    unknown: int  # occurrences of the unknown token


def vocabulary_use(language: str, chunks: Iterable[list[str]], tokenizer: TextTokenizer) -> VocabularyUse:
    """Tokenize a language's sentences with the whole tokenizer and note what they use; holds one chunk's tokens."""
    counts = np.zeros(max(tokenizer.backend.get_vocab().values()) + 1, dtype=np.int64)
    for chunk in chunks:
        counts += np.bincount(tokenizer(chunk).tokens, minlength=len(counts))
    silent = set(tokenizer([""]).tokens.tolist()) | {tokenizer.backend.token_to_id("▁"), tokenizer.unknown}
    known = counts.copy()
    known[[token for token in silent if token is not None]] = 0
    unknown = 0 if tokenizer.unknown is None else int(counts[tokenizer.unknown])
    return VocabularyUse(language, counts > 0, int(known.sum()), unknown)


def refuse_unknown_script(model: str, uses: Iterable[VocabularyUse]) -> None:
    """Refuse a model whose vocabulary can't write a language that it shall learn.

    Raises:
        UserError: naming the languages.
    """
    shares = [(use.language, use.unknown / max(use.known + use.unknown, 1)) for use in uses]
    if lacking := [(language, share) for language, share in shares if share > MOST_UNKNOWN]:
        listed = ", ".join(f"{100 * share:.0f} % of {language}" for language, share in lacking)
        raise UserError(
            f"student.model: the vocabulary of {model} lacks the script of the text: {listed} is unknown to it; expected a "
            "model that knows these languages, or a student.kind with a vocabulary of its own"
        )


def always_kept(folder: Path) -> set[int]:
    """The token ids that a model's configuration names, and those before its padding."""
    config = read_layout(folder).config
    named = [value for key, value in config.items() if key.endswith("_token_id")]
    ids = {value for item in named for value in (item if isinstance(item, list) else [item]) if isinstance(value, int)}
    pad = config.get("pad_token_id")
    return ids | (set(range(pad)) if isinstance(pad, int) and pad < FIRST_IDS else set())


def trimmed(tokenizer: TextTokenizer, uses: Iterable[VocabularyUse], folder: Path) -> TextTokenizer:
    """The tokenizer of a model's folder, whole, cut to what some languages use.

    Raises:
        UserError: if it can't be trimmed.
    """
    if tokenizer.is_text:
        raise UserError(
            f"student.trim_vocabulary: {folder.resolve().name} is computed by sentence-transformers, with a vocabulary that "
            "can't be cut; expected false"
        )
    used = np.logical_or.reduce([use.used for use in uses])
    backend = trim_tokenizer(tokenizer.backend, used, always_kept(folder))
    return TextTokenizer(backend, tokenizer.prefix, tokenizer.max_length, tokenizer.special_tokens)


def trim_tokenizer(tokenizer: Tokenizer, used: NDArray[np.bool_], keep: Iterable[int] = ()) -> Tokenizer:
    """A tokenizer with the tokens that are ``used`` [v] and the ids to ``keep``, closed up in the old order.

    Raises:
        UserError: if it is of another kind, or its ids have two tokens or gaps.
    """
    content = json.loads(tokenizer.to_str())
    model = content["model"]
    if model["type"] not in TRIMMERS:
        raise UserError(
            f"student.trim_vocabulary: the tokenizer is of the kind {model['type']}; expected {', '.join(TRIMMERS)}, or false"
        )
    tokens = [tokenizer.id_to_token(number) for number in range(len(used))]
    if None in tokens or len(set(tokens)) < len(tokens):
        raise UserError("student.trim_vocabulary: the tokenizer's ids have gaps, or two the same token; expected false")
    # What is kept: what is used, what the model and the tokenizer name, what words fall back to, and what these hang on.
    kept = used.copy()
    kept[[number for number in keep if number < len(kept)]] = True
    kept[[added["id"] for added in content["added_tokens"]]] = True
    kept |= np.fromiter((_fallback(str(token)) for token in tokens), dtype=np.bool_, count=len(tokens))
    TRIMMERS[model["type"]](model, kept)
    # New ids, in the old order, wherever the file has ids: the vocabulary, added tokens, the post-processor.
    new = {int(old): place for place, old in enumerate(np.flatnonzero(kept))}
    if model.get("unk_id") is not None:
        model["unk_id"] = new[model["unk_id"]]
    if isinstance(model["vocab"], dict):
        model["vocab"] = {token: new[number] for token, number in model["vocab"].items() if number in new}
    for added in content["added_tokens"]:
        added["id"] = new[added["id"]]
    _renumber(content["post_processor"], new)
    return Tokenizer.from_str(json.dumps(content, ensure_ascii=False))


def _fallback(token: str) -> bool:
    """Whether a token is what words are cut into at last: a character (with a mark), or a byte."""
    return len(MARKS.sub("", token)) <= 1 or BYTE.fullmatch(token) is not None


def _trim_unigram(model: dict[str, Any], kept: NDArray[np.bool_]) -> None:
    scores = np.array([score for _, score in model["vocab"]])
    kept[int(scores.argmin())] = True
    kept[model["unk_id"] or 0] = True
    model["vocab"] = [piece for piece, wanted in zip(model["vocab"], kept.tolist(), strict=False) if wanted]


def _trim_bpe(model: dict[str, Any], kept: NDArray[np.bool_]) -> None:
    ids: Mapping[str, int] = model["vocab"]
    inside = model.get("continuing_subword_prefix") or ""
    merges = [tuple(merge.split(" ") if isinstance(merge, str) else merge) for merge in model["merges"]]
    made = [ids[one + other.removeprefix(inside)] for one, other in merges]
    parts: dict[int, list[int]] = {}
    for token, (one, other) in zip(made, merges, strict=True):
        parts.setdefault(token, []).extend((ids[one], ids[other]))
    # A kept token's parts are kept, and theirs.
    left = np.flatnonzero(kept).tolist()
    while left:
        for part in parts.get(left.pop(), ()):
            if not kept[part]:
                kept[part] = True
                left.append(part)
    model["merges"] = [list(merge) for token, merge in zip(made, merges, strict=True) if kept[token]]


def _trim_wordpiece(model: dict[str, Any], kept: NDArray[np.bool_]) -> None:
    kept[model["vocab"][model["unk_token"]]] = True


TRIMMERS = {"Unigram": _trim_unigram, "BPE": _trim_bpe, "WordPiece": _trim_wordpiece}
"""By the kind of a tokenizer's model: marks what must be kept besides, and takes out of the model what is not kept."""


def _renumber(processor: Any, new: Mapping[int, int]) -> None:
    """Put new ids into a post-processor, in place: templates, those of BERT and RoBERTa, sequences of them."""
    if not isinstance(processor, dict):
        return
    for inner in processor.get("processors", ()):
        _renumber(inner, new)
    for token in (processor.get("special_tokens") or {}).values():
        token["ids"] = [new[number] for number in token["ids"]]
    for role in ("sep", "cls"):
        if role in processor:
            processor[role] = [processor[role][0], new[processor[role][1]]]


def cut_token_vectors(model: SentenceModel, folder: Path, tokenizer: TextTokenizer) -> None:
    """Leave a model, as its folder was loaded, the token vectors of the trimmed tokenizer, in place.

    Raises:
        UserError: if the tokenizer is another model's, or the model's padding can't stay where positions are counted from.
        InputError: if the model has token vectors that can't be cut.
    """
    import torch  # a tokenizer is trimmed without it
    from torch import nn

    from pipeline.encoders.model import StaticModel, TransformerModel

    old = load_tokenizer(folder, "", tokenizer.max_length, special_tokens=not read_layout(folder).static).backend
    new = tokenizer.backend
    ids = (old.token_to_id(new.id_to_token(number) or "") for number in range(new.get_vocab_size()))
    found = [-1 if number is None else number for number in ids]
    if min(found) < 0 or max(found) >= model.vocabulary:
        raise UserError(f"student: data/tokenizer is not made of {folder.name}'s; run the stage tokenize again")
    rows = torch.tensor(found)
    if isinstance(model, StaticModel):
        model.weight = nn.Parameter(model.weight.detach()[rows])
    elif isinstance(model, TransformerModel):
        _cut_transformer(model, folder, rows)
    model.vocabulary = len(rows)


def _cut_transformer(model: TransformerModel, folder: Path, rows: torch.Tensor) -> None:
    from torch import nn

    backbone = model.backbone
    embedding = backbone.get_input_embeddings()
    new = {old: place for place, old in enumerate(rows.tolist())}
    # Other vectors by token id would be left as they are, and not fit any more.
    tables = {name: module for name, module in backbone.named_modules() if isinstance(module, nn.Embedding)}
    size = model.vocabulary
    other = [name for name, table in tables.items() if table is not embedding and table.num_embeddings == size]
    if not isinstance(embedding, nn.Embedding) or other:
        kind = other[0] if other else type(embedding).__name__
        problem = f"has token vectors that can't be cut ({kind}); expected student.trim_vocabulary: false"
        raise InputError(folder, problem)
    counted = getattr(getattr(backbone, "embeddings", None), "padding_idx", None)
    if counted is not None and new.get(counted) != counted:
        raise UserError(
            f"student.trim_vocabulary: {folder.name} counts positions from its padding, token {counted}, which would move; "
            "expected false"
        )
    # The vectors themselves, then every place that has a token's id.
    embedding.weight = nn.Parameter(embedding.weight.detach()[rows])
    embedding.num_embeddings = len(rows)
    if embedding.padding_idx is not None:
        embedding.padding_idx = new.get(embedding.padding_idx)
    model.pad = new.get(model.pad, 0)
    config = backbone.config
    config.vocab_size = len(rows)
    for role, value in config.to_dict().items():
        if role.endswith("_token_id") and value is not None:
            changed = [new[one] for one in value] if isinstance(value, list) else new.get(value)
            setattr(config, role, changed)
