from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small import sentence

from pipeline.artifacts.folders import TextFolder, TokenFolder, VectorFolder
from pipeline.artifacts.shards import open_folder, shard_paths
from pipeline.compute.in_process import here
from pipeline.console.errors import ArtifactError, UserError
from pipeline.embedding.embed import (
    EmbedCounts,
    Embedder,
    EmbeddingModel,
    FolderToEmbed,
    embed_folders,
    embed_shard,
    load_embedder,
)
from pipeline.embedding.tokenize import FolderToTokenize, tokenize_folders, tokenize_shard, training_texts
from pipeline.encoders import identity
from pipeline.encoders.load import EncoderSettings, ModelEncoder, load_encoder
from pipeline.encoders.resolve import resolve_model
from pipeline.ground.hashing import as_keys, text_key
from pipeline.store.local import VectorStore

TEXTS = [sentence(number) for number in range(0, 900, 11)]


@pytest.fixture
def encoder(tiny_teacher: Path) -> ModelEncoder:
    source = resolve_model("teacher.model", str(tiny_teacher), None, tiny_teacher.parent)
    return load_encoder(source, EncoderSettings(max_length=16, batch_tokens=128), torch.device("cpu"))


def _tokens(encoder: ModelEncoder, write_sentences, folder: Path, texts: list[str], shard_rows: int = 30) -> Path:
    write_sentences(folder / "sentences", texts, shard_rows)
    made_by = {"language": "en"}
    job = FolderToTokenize(folder / "sentences", folder / "tokens", "teacher", made_by)
    tokenize_folders(here(tokenize_shard, {"teacher": encoder.tokenizer}), [job], "tokenize")
    return folder / "tokens"


def embed_folder(
    encoder: ModelEncoder, tokens: Path, out: Path, language: str, store: VectorStore | None, label: str
) -> EmbedCounts:
    crew = here(embed_shard, Embedder(encoder.identity, store, lambda: encoder))
    (counts,) = embed_folders(crew, [FolderToEmbed(tokens, out, language)], label)
    return counts


def test_tokens_of_shards_are_the_tokenizer_s_own(encoder, write_sentences, tmp_path: Path):
    tokens = TokenFolder(_tokens(encoder, write_sentences, tmp_path, TEXTS))
    assert len(tokens.shards) == 4
    rows = tokens.rows_of(as_keys([text_key(TEXTS[40]), text_key(TEXTS[2]), text_key(TEXTS[40])]))
    assert tokens.select(rows).tokens.tolist() == encoder.tokenize([TEXTS[40], TEXTS[2], TEXTS[40]]).tokens.tolist()


def test_vectors_lie_beside_their_keys(encoder, write_sentences, tmp_path: Path):
    tokens = _tokens(encoder, write_sentences, tmp_path, TEXTS)
    counts = embed_folder(encoder, tokens, tmp_path / "vectors", "en", None, "embed")
    vectors = VectorFolder(tmp_path / "vectors")
    rows = vectors.rows_of(as_keys(text_key(text) for text in TEXTS))
    expected = encoder.encode_tokens(encoder.tokenize(TEXTS)).astype(np.float16)
    assert (vectors.select(rows) == expected).all()
    assert (counts.sentences, counts.hits, counts.misses) == (len(TEXTS), 0, len(TEXTS))
    assert vectors.made_by["encoder"] == encoder.identity


def test_each_sentence_goes_through_the_model_once_ever(encoder, write_sentences, tmp_path: Path):
    store = VectorStore(tmp_path / "store", encoder.identity, encoder.dimension)
    first = _tokens(encoder, write_sentences, tmp_path / "one", TEXTS[:-3])
    embed_folder(encoder, first, tmp_path / "v1", "en", store, "embed")
    grown = _tokens(encoder, write_sentences, tmp_path / "two", TEXTS)
    counts = embed_folder(encoder, grown, tmp_path / "v2", "en", store, "embed")
    assert (counts.hits, counts.misses) == (len(TEXTS) - 3, 3)
    embed_folder(encoder, grown, tmp_path / "fresh", "en", None, "embed")
    for mixed, fresh in zip(shard_paths(tmp_path / "v2"), shard_paths(tmp_path / "fresh"), strict=True):
        assert mixed.read_bytes() == fresh.read_bytes()


def test_what_a_stopped_run_finished_is_not_done_again(encoder, write_sentences, tmp_path: Path):
    store = VectorStore(tmp_path / "store", encoder.identity, encoder.dimension)
    tokens = _tokens(encoder, write_sentences, tmp_path, TEXTS)
    done = 0

    class StopError(Exception):
        pass

    class Stopping(ModelEncoder):
        def encode_tokens(self, batch):
            nonlocal done
            if done == 2:
                raise StopError
            done += 1
            return super().encode_tokens(batch)

    stopping = Stopping(**{name: getattr(encoder, name) for name in ("model", "tokenizer", "identity", "batch_tokens")})
    with pytest.raises(StopError):
        embed_folder(stopping, tokens, tmp_path / "vectors", "en", store, "embed")
    assert not (tmp_path / "vectors").exists()
    counts = embed_folder(encoder, tokens, tmp_path / "vectors", "en", store, "embed")
    shards = [len(shard) for shard in open_folder(tmp_path / "vectors")]
    assert counts.misses == sum(shards[2:])


def test_tokens_of_another_tokenizer_are_refused(encoder, write_sentences, tmp_path: Path):
    tokens = _tokens(encoder, write_sentences, tmp_path, TEXTS)
    tokenizer = type(encoder.tokenizer)(encoder.tokenizer.backend, "query: ", 16, True)
    other = replace(encoder, tokenizer=tokenizer, identity={**encoder.identity, "tokenizer": tokenizer.content})
    with pytest.raises(ArtifactError, match=r"00000.arrow: tokens of tokenizer .*run stage tokenize again"):
        embed_folder(other, tokens, tmp_path / "vectors", "en", None, "embed")


def test_a_sentence_that_is_not_there_is_an_error(encoder, write_sentences, tmp_path: Path):
    tokens = TokenFolder(_tokens(encoder, write_sentences, tmp_path, TEXTS))
    with pytest.raises(ArtifactError, match="1 of 1 sentences are not here"):
        tokens.rows_of(as_keys([text_key("nowhere")]))


def test_texts_come_back_in_the_order_asked_for(write_sentences, tmp_path: Path):
    write_sentences(tmp_path / "s", TEXTS, 30)
    folder = TextFolder(tmp_path / "s")
    wanted = [TEXTS[70], TEXTS[1], TEXTS[33]]
    assert folder.select(folder.rows_of(as_keys(text_key(text) for text in wanted))) == wanted


def test_a_tokenizer_s_training_text_is_a_fixed_sample(write_sentences, tmp_path: Path):
    write_sentences(tmp_path / "s", TEXTS, 30)
    sample = list(training_texts([tmp_path / "s"], 40))
    assert len(sample) == 40
    assert sample == list(training_texts([tmp_path / "s"], 50))[:40]


def test_the_store_has_each_new_vector_under_its_own_sentence(encoder, write_sentences, tmp_path: Path):
    """Also of a shard of which it had others: a third run, all from the store, has the bytes of one without it."""
    store = VectorStore(tmp_path / "store", encoder.identity, encoder.dimension)
    for name, texts in (("one", TEXTS[::2]), ("two", TEXTS)):
        embed_folder(
            encoder, _tokens(encoder, write_sentences, tmp_path / name, texts), tmp_path / "v", "en", store, ""
        )
    counts = embed_folder(encoder, tmp_path / "two" / "tokens", tmp_path / "stored", "en", store, "embed")
    assert (counts.hits, counts.misses) == (len(TEXTS), 0)
    embed_folder(encoder, tmp_path / "two" / "tokens", tmp_path / "fresh", "en", None, "embed")
    for stored, fresh in zip(shard_paths(tmp_path / "stored"), shard_paths(tmp_path / "fresh"), strict=True):
        assert stored.read_bytes() == fresh.read_bytes()


@pytest.mark.skipif(torch.cuda.is_available(), reason="only torch knows the GPU")
def test_a_model_is_loaded_for_the_first_sentence_that_the_store_lacks(
    encoder, write_sentences, tiny_teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(identity, "GPU_DRIVERS", ())
    settings = EncoderSettings(max_length=16, batch_tokens=128)
    model = EmbeddingModel("teacher.model", str(tiny_teacher), None, tmp_path, settings, tmp_path / "store")
    loads = []

    def load(*given: object) -> ModelEncoder:
        loads.append(given)
        return encoder

    monkeypatch.setattr("pipeline.encoders.load.load_encoder", load)

    def counts(texts: list[str]) -> EmbedCounts:
        tokens = _tokens(encoder, write_sentences, tmp_path / str(len(texts)), texts)
        crew = here(embed_shard, load_embedder(model).state)
        (found,) = embed_folders(crew, [FolderToEmbed(tokens, tmp_path / "vectors", "en")], "embed")
        return found

    assert (counts(TEXTS[:40]).misses, len(loads)) == (40, 1)
    before = {path.name: path.read_bytes() for path in (tmp_path / "vectors").iterdir()}
    assert (counts(TEXTS[:40]).misses, len(loads)) == (0, 1)
    assert {path.name: path.read_bytes() for path in (tmp_path / "vectors").iterdir()} == before
    assert (counts(TEXTS[:41]).misses, len(loads)) == (1, 2)


def test_a_model_that_has_changed_since_its_identity_was_told_is_refused(encoder, tmp_path: Path):
    known = {**encoder.identity, "torch": "0.0"}
    embedder = Embedder(known, VectorStore(tmp_path, known, encoder.dimension), lambda: encoder)
    with pytest.raises(UserError, match="have changed meanwhile; run again"):
        _ = embedder.encoder
