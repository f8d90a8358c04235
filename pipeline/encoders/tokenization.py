"""Tokenizers: those that come with models, and the one that is trained here.

The trained one is byte-pair encoding: its trainer gives the same merges at every run, which those of Unigram and WordPiece
in the same library do not. Text is NFKC-normalised and lower-cased, cut at white space, at changes of script (Japanese and
Korean mix scripts without spaces) and around punctuation and digits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import tokenizers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from pipeline.artifacts.tokens import TokenBatch
from pipeline.console.errors import InputError, UserError
from pipeline.encoders.layout import read_layout, read_object
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
BYTES = "[BYTES]"
"""The one token that `byte_tokenizer` has besides the 256 bytes: the mark by which it is known again."""


@contextmanager
def tokenizer_errors(file: Path, kind: type[InputError] = InputError) -> Iterator[None]:
    """Make one line of what the tokenizers library raises about a file that is no tokenizer, or contradicts itself.

    Raises:
        InputError: (or ``kind``) for plain exceptions, and for panics of the library's Rust code, which are not even those.
    """
    try:
        yield
    except BaseException as error:
        library = isinstance(error, Exception) or type(error).__name__ == "PanicException"
        if isinstance(error, UserError) or not library:
            raise
        raise kind(file, f"not a tokenizer ({str(error)[:200]})") from None


class TextTokenizer:
    """A fast tokenizer with a prefix and a maximum length.

    Args:
        tokenizer: the library's tokenizer; its padding is taken off, its truncation replaced but for the side.
        prefix: put before every sentence.
        max_length: tokens kept, special tokens included.
        special_tokens: whether sentences are wrapped as the tokenizer's post-processor says.
    """

    def __init__(self, tokenizer: Tokenizer, prefix: str, max_length: int, special_tokens: bool) -> None:
        self.backend, self.prefix, self.max_length, self.special_tokens = tokenizer, prefix, max_length, special_tokens
        tokenizer.no_padding()
        if not self.is_text:
            side = (tokenizer.truncation or {}).get("direction", "right")
            tokenizer.enable_truncation(max_length, direction=side)

    @property
    def is_text(self) -> bool:
        """Whether its tokens are the text's bytes, cut nowhere (`byte_tokenizer`)."""
        return self.backend.token_to_id(BYTES) is not None

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
        ids = (self.backend.token_to_id(token) for token in SPECIAL_ROLES["unk_token"])
        return next((number for number in ids if number is not None), None)

    def prefix_tokens(self) -> int:
        """Tokens at a sentence's start that are the prefix's, special ones before it included.

        As sentence-transformers counts them: those of the prefix alone, without a special token at its end.
        """
        if not self.prefix:
            return 0
        encoding = self.backend.encode(self.prefix, add_special_tokens=self.special_tokens)
        special = {token for token, added in self.backend.get_added_tokens_decoder().items() if added.special}
        return len(encoding.ids) - int(encoding.ids[-1] in special or encoding.special_tokens_mask[-1] == 1)

    def __call__(self, texts: Sequence[str]) -> TokenBatch:
        """Token ids of sentences; uses all cores."""
        prefixed = [self.prefix + text for text in texts] if self.prefix else list(texts)
        encodings = self.backend.encode_batch_fast(prefixed, add_special_tokens=self.special_tokens)
        return TokenBatch.from_lists([encoding.ids for encoding in encodings])


def load_tokenizer(folder: Path, prefix: str, max_length: int, special_tokens: bool | None = None) -> TextTokenizer:
    """The tokenizer of a model's folder; for a model that only sentence-transformers can compute, `byte_tokenizer`.

    Args:
        folder: a model's folder, or one with a tokenizer alone.
        prefix: put before every sentence.
        max_length: tokens kept of a sentence, special tokens included.
        special_tokens: whether sentences are wrapped; None: what the model wants (a static one doesn't).

    Raises:
        InputError: if the folder has none that the fast tokenizers can read.
    """
    layout = read_layout(folder)
    special = not layout.static if special_tokens is None else special_tokens
    if layout.library:
        return TextTokenizer(byte_tokenizer(), prefix, max_length, special)
    inner = layout.inputs.folder
    file, config = inner / TOKENIZER_FILE, read_object(inner / "tokenizer_config.json")
    backend = None
    if file.exists():
        with tokenizer_errors(file):
            backend = Tokenizer.from_file(str(file))
    if backend is None or (not layout.static and _built_otherwise(backend, config)):
        backend = _transformers_tokenizer(inner)
    if layout.lower_case and not _lower_cases(backend.normalizer):
        others = [] if backend.normalizer is None else [backend.normalizer]
        backend.normalizer = normalizers.Sequence([normalizers.Lowercase(), *others])
    if config.get("truncation_side") in ("left", "right") and not layout.static:
        backend.enable_truncation(max_length, direction=config["truncation_side"])
    with tokenizer_errors(file):
        return TextTokenizer(backend, prefix, max_length, special)


def _built_otherwise(backend: Tokenizer, config: Mapping[str, Any]) -> bool:
    """Whether tokenizer_config.json changes what tokenizer.json says, which transformers knows how to."""
    if any(config.get(key) is not None for key in ("add_bos_token", "add_eos_token")):
        return True
    normalizer = backend.normalizer
    if not isinstance(normalizer, normalizers.BertNormalizer):
        return False
    names = {
        "do_lower_case": "lowercase",
        "strip_accents": "strip_accents",
        "tokenize_chinese_chars": "handle_chinese_chars",
    }
    return any(key in config and config[key] != getattr(normalizer, name) for key, name in names.items())


def _transformers_tokenizer(folder: Path) -> Tokenizer:
    """The fast tokenizer that transformers makes of a folder's files."""
    from transformers import AutoTokenizer  # costs seconds

    try:
        loaded = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, ImportError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(folder, f"no tokenizer.json, and no other tokenizer could be read ({error})") from None
    if not getattr(loaded, "is_fast", False):
        raise InputError(folder, "its tokenizer has no fast (tokenizers) form; expected a tokenizer.json")
    backend: Tokenizer = loaded.backend_tokenizer
    return backend


def _lower_cases(normalizer: Any) -> bool:
    if not isinstance(normalizer, normalizers.Sequence):
        return isinstance(normalizer, normalizers.Lowercase)
    return any(isinstance(part, normalizers.Lowercase) for part in cast("Iterable[Any]", normalizer))


def byte_tokenizer() -> Tokenizer:
    """A tokenizer whose tokens are the text's UTF-8 bytes: text that travels as tokens, to a model that wants text.

    >>> byte_tokenizer().encode("Aé").ids
    [65, 195, 169]
    """
    # What the byte-level form writes as itself; it writes the other bytes as the letters from U+0100 on.
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = (number for number in range(256) if number not in printable)
    letters = {number: chr(number) for number in printable}
    letters |= {number: chr(256 + place) for place, number in enumerate(others)}
    vocabulary = {letter: number for number, letter in letters.items()} | {BYTES: 256}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def train_tokenizer(texts: Iterator[str], vocabulary: int, pad: int = 0) -> Tokenizer:
    """Train a byte-pair encoding for students that don't bring a tokenizer.

    Args:
        texts: the training sentences; the library counts their words, so memory grows with distinct words only.
        vocabulary: the number of tokens, the five special ones included.
        pad: the padding's id, among the first five (positions can hang on it: `pipeline.encoders.transplant`).

    Raises:
        UserError: if there is no text.
    """
    # Text is normalised, then cut into words, inside which alone tokens are merged.
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
    # The trainer numbers the special tokens first, in the order in which they are given.
    padding, *others = SPECIAL_TOKENS
    special = [*others[:pad], padding, *others[pad:]]
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    if tokenizer.get_vocab_size() <= len(SPECIAL_TOKENS):
        raise UserError("student: no training text to train a tokenizer on")
    cls, sep = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", cls), ("[SEP]", sep)]
    )
    return tokenizer


def unknown_share(batch: TokenBatch, unknown: int | None) -> float:
    """The share of tokens that are the unknown token."""
    return float((batch.tokens == unknown).mean()) if unknown is not None and len(batch.tokens) else 0.0
