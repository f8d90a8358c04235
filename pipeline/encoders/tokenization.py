"""Tokenizers: those that come with models, and the one that is trained here.

The trained one is byte-pair encoding: its trainer gives the same merges at every run, which those of Unigram and WordPiece
in the same library do not. Text is NFKC-normalised and lower-cased, cut at white space, at changes of script (Japanese and
Korean mix scripts without spaces) and around punctuation and digits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tokenizers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from pipeline.artifacts.tokens import TokenBatch
from pipeline.console.errors import InputError, UserError
from pipeline.ground.hashing import identity_hash

TOKENIZER_FILE = "tokenizer.json"
UNKNOWN = "[UNK]"
SPECIAL_TOKENS = ("[PAD]", UNKNOWN, "[CLS]", "[SEP]", "[MASK]")
SPECIAL_ROLES = {
    "pad_token": ("[PAD]", "<pad>"),
    "unk_token": ("[UNK]", "<unk>"),
    "cls_token": ("[CLS]", "<s>"),
    "sep_token": ("[SEP]", "</s>"),
    "mask_token": ("[MASK]", "<mask>"),
}
"""What vocabularies call their special tokens."""
CHUNK = 10_000


@contextmanager
def tokenizer_errors(file: Path, kind: type[InputError] = InputError) -> Iterator[None]:
    """What the tokenizers library does about a file that is no tokenizer, or one that contradicts itself, as one line.

    Raises:
        InputError: (or ``kind``) for its exceptions, which are plain ones, and for panics of its Rust code, which are not
            even those.
    """
    try:
        yield
    except BaseException as error:
        if isinstance(error, UserError) or not (
            isinstance(error, Exception) or type(error).__name__ == "PanicException"
        ):
            raise
        raise kind(file, f"not a tokenizer ({str(error)[:200]})") from None


class TextTokenizer:
    """A fast tokenizer with a prefix and a maximum length.

    Args:
        tokenizer: of the `tokenizers` library; its truncation and padding settings are replaced.
        prefix: put before every sentence.
        max_length: tokens kept, special tokens included.
        special_tokens: whether sentences are wrapped as the tokenizer's post-processor says.
    """

    def __init__(self, tokenizer: Tokenizer, prefix: str, max_length: int, special_tokens: bool) -> None:
        self.backend, self.prefix, self.max_length, self.special_tokens = tokenizer, prefix, max_length, special_tokens
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_length)

    @property
    def content(self) -> str:
        """A hash of all that token ids depend on besides the text: another release of the library may cut it differently."""
        return identity_hash(
            {
                "tokenizers": tokenizers.__version__,
                "tokenizer": self.backend.to_str(),
                "prefix": self.prefix,
                "max_length": self.max_length,
                "special_tokens": self.special_tokens,
            }
        )

    @property
    def unknown(self) -> int | None:
        """The id of the unknown token, if it has one."""
        for token in (UNKNOWN, "<unk>"):
            if (found := self.backend.token_to_id(token)) is not None:
                return int(found)
        return None

    def __call__(self, texts: Sequence[str]) -> TokenBatch:
        """Token ids of sentences; uses all cores."""
        prefixed = [self.prefix + text for text in texts] if self.prefix else list(texts)
        encodings = self.backend.encode_batch_fast(prefixed, add_special_tokens=self.special_tokens)
        return TokenBatch.from_lists([encoding.ids for encoding in encodings])


def load_tokenizer(folder: Path, prefix: str, max_length: int, special_tokens: bool = True) -> TextTokenizer:
    """The tokenizer of a model's folder.

    Raises:
        InputError: if the folder has none that the fast tokenizers can read.
    """
    file = folder / TOKENIZER_FILE
    if file.exists():
        with tokenizer_errors(file):
            return TextTokenizer(Tokenizer.from_file(str(file)), prefix, max_length, special_tokens)
    from transformers import AutoTokenizer  # only for models that ship a vocabulary in an older form

    try:
        loaded = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, ImportError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(folder, f"no tokenizer.json, and no other tokenizer could be read ({error})") from None
    if not getattr(loaded, "is_fast", False):
        raise InputError(folder, "its tokenizer has no fast (tokenizers) form; expected a tokenizer.json")
    return TextTokenizer(loaded.backend_tokenizer, prefix, max_length, special_tokens)


def train_tokenizer(texts: Iterator[str], vocabulary: int, pad: int = 0) -> Tokenizer:
    """Train a byte-pair encoding for students that don't bring a tokenizer.

    Args:
        texts: the training sentences; the library counts their words, so memory grows with distinct words only.
        vocabulary: how many tokens it has, the five special ones included.
        pad: the id of the padding, among the first five (positions can hang on it: `pipeline.encoders.transplant`).

    Raises:
        UserError: if there is no text.
    """
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.UnicodeScripts(),
            pre_tokenizers.Punctuation("isolated"),
            pre_tokenizers.Digits(individual_digits=False),
        ]
    )
    padding, *others = SPECIAL_TOKENS
    special = [*others[:pad], padding, *others[pad:]]
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(_chunks(texts), trainer)
    if tokenizer.get_vocab_size() <= len(SPECIAL_TOKENS):
        raise UserError("student: no training text to train a tokenizer on")
    cls, sep = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", cls), ("[SEP]", sep)]
    )
    return tokenizer


def unknown_share(batch: TokenBatch, unknown: int | None) -> float:
    """The share of tokens that are the unknown token."""
    if unknown is None or len(batch.tokens) == 0:
        return 0.0
    return float(np.count_nonzero(batch.tokens == unknown) / len(batch.tokens))


def _chunks(texts: Iterator[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    for text in texts:
        chunk.append(text)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
