"""Where a transformer's time goes, kind of operation by kind, beside the least that each could take on this machine.

    python bench/layers.py --text corpora/train                       # embedding, by the default teacher
    python bench/layers.py --text corpora/train --layers 12 --train   # forwards and backwards, its layers taken twice

Products' floor is their multiplications at the rate of the machine's own float32 product (2,048³, by MKL or oneDNN, whichever
is faster, measured before and after); that of all else is the memory that has to be read and written, at the rate at which
this machine adds two arrays of a batch's size. Everything is one thread's, in CPU time. The sentences are those of four
language pairs, in batches as stage teach makes them, or of some pairs as stage train does (without the optimiser's step).
"""

from __future__ import annotations

import pipeline  # noqa: F401  (first: how waiting threads wait is read when torch and NumPy load)

# isort: split
import argparse
import copy
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from speed.contestants.matrix import products
from speed.rows.encoding import PAIRS, layer_flop, model_folder
from speed.text import SEED, read_sentences
from torch import nn
from torch.profiler import ProfilerActivity, profile

from pipeline.artifacts.tokens import TokenBatch
from pipeline.encoders.load import EncoderSettings, load_transformer
from pipeline.encoders.model import TransformerModel, embed
from pipeline.encoders.tokenization import load_tokenizer

KINDS = {
    "products": ("mkldnn::_linear_pointwise", "addmm", "mm"),
    "attention": (
        "_scaled_dot_product_flash_attention_for_cpu", "bmm", "_softmax", "_softmax_backward_data", "mul", "div",
    ),
    "GELU": ("gelu", "gelu_backward"),
    "norms": ("native_layer_norm", "native_layer_norm_backward"),
    "sums": ("add", "add_", "sum"),
    "token vectors": ("index_select", "embedding_dense_backward"),
}  # fmt: skip
"""torch's operations by kind; the rest are copies and what starts the others."""
ROUNDS = 3


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of one run."""
    start = time.process_time()
    work()
    return time.process_time() - start


def matrix_rate() -> float:
    """Operations/s of the machine's float32 product."""
    a, times = torch.randn(2048, 2048), 4
    found = []
    for kernel in products(a, a).values():
        kernel()
        found.append(2.0 * 2048**3 * times / seconds(lambda: [kernel() for _ in range(times)]))  # noqa: B023
    return max(found)


def memory_rate(tokens: int, width: int) -> float:
    """Bytes/s read and written by the sum of two arrays [tokens, width]."""
    a, b, out, times = torch.randn(tokens, width), torch.randn(tokens, width), torch.empty(tokens, width), 50
    torch.add(a, b, out=out)
    return 12.0 * tokens * width * times / seconds(lambda: [torch.add(a, b, out=out) for _ in range(times)])


def floors(config: Any, lengths: np.ndarray, train: bool, rate: float, memory: float) -> dict[str, float]:
    """The least seconds of each kind, for sentences of these lengths."""
    d, inner, layers, tokens = config.hidden_size, config.intermediate_size, config.num_hidden_layers, lengths.sum()
    # Backwards, a product is two (for either side's gradient); the others read what they read before, and a gradient.
    times, gelu, norm, add = (3, 2 + 3, 2 + 3, 3 + 3) if train else (1, 2, 2, 3)
    return {
        "products": times * layers * tokens * (8 * d * d + 4 * d * inner) / rate,
        "attention": layers * (times * 4 * d * (lengths**2).sum() / rate + times * 16 * d * tokens / memory),
        "GELU": layers * gelu * 4 * inner * tokens / memory,
        "norms": (2 * layers + 1) * norm * 4 * d * tokens / memory,
        "sums": 2 * layers * add * 4 * d * tokens / memory,
    }


def deepened(model: TransformerModel, layers: int | None) -> TransformerModel:
    """The model with its layers repeated until there are so many."""
    if layers is not None:
        own = model.backbone.encoder.layer
        model.backbone.encoder.layer = nn.ModuleList(copy.deepcopy(own[at % len(own)]) for at in range(layers))
        model.backbone.config.num_hidden_layers = layers
    return model


def step(model: TransformerModel, batch: TokenBatch) -> None:
    """Forwards and backwards."""
    model.zero_grad(set_to_none=True)
    vectors = model(batch)
    (vectors @ vectors.T).square().mean().backward()


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, help="a folder of <a>-<b>/*.tsv.zst; the default run's text if not given")
    parser.add_argument("--model", type=Path, help="a model's folder; the default teacher if not given")
    parser.add_argument("--layers", type=int, help="as many of the model's layers, repeated if it has fewer")
    parser.add_argument("--sentences", type=int, default=1000)
    parser.add_argument("--train", action="store_true", help="forwards and backwards, without dropout")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    folder = options.model or model_folder()
    settings = EncoderSettings(max_length=128)
    model = deepened(load_transformer(folder, settings), options.layers).eval()
    batch = load_tokenizer(folder, "", 128)(read_sentences(options.text, PAIRS)[: options.sentences])
    work = (lambda: step(model, batch)) if options.train else (lambda: embed(model, batch, settings.batch_tokens))
    work()
    rates, times = [matrix_rate()], []
    for _ in range(ROUNDS):
        times.append(seconds(work))
        rates.append(matrix_rate())
    with profile(activities=[ProfilerActivity.CPU]) as found:
        work()
    taken = {event.key.removeprefix("aten::"): event.self_cpu_time_total for event in found.key_averages()}
    report(model, batch, options, median(times), (median(rates), min(rates), max(rates)), taken)


def report(
    model: TransformerModel,
    batch: TokenBatch,
    options: argparse.Namespace,
    whole: float,
    rates: tuple[float, float, float],
    taken: dict[str, float],
) -> None:
    """Print the table; of the profile only shares are used, since profiling takes time too."""
    config, rate = model.backbone.config, rates[0]
    lengths = batch.lengths.astype(np.float64)
    least = floors(config, lengths, options.train, rate, memory_rate(2048, config.hidden_size))
    all_taken = sum(taken.values())
    part = {name: sum(taken.pop(key, 0.0) for key in keys) for name, keys in KINDS.items()}
    part["copies and the rest"] = all_taken - sum(part.values())
    d, what = config.hidden_size, "forwards and backwards" if options.train else "embedding"
    print(f"{what}: {config.num_hidden_layers} layers of {d} dimensions, {len(batch):,} sentences of ", end="")
    print(
        f"{batch.lengths.mean():.1f} tokens, {len(batch) / whole:.1f} sentences/s; matrix rate {rate / 1e9:.0f} ",
        end="",
    )
    print(f"({rates[1] / 1e9:.0f}-{rates[2] / 1e9:.0f}) GFLOP/s\n")
    print("| kind | share of the time | CPU ms | at least | reached |\n|---|---|---|---|---|")
    for name, micro in part.items():
        spent, floor = whole * micro / all_taken, least.get(name)
        tail = f"{1000 * floor:.0f} | {floor / spent:.0%} |" if floor else "- | - |"
        print(f"| {name} | {micro / all_taken:.1%} | {1000 * spent:.0f} | {tail}")
    layers = (3 if options.train else 1) * config.num_hidden_layers
    flop = layers * layer_flop(d, config.intermediate_size, lengths)
    print(f"| all | | {1000 * whole:.0f} | {1000 * flop / rate:.0f} (products alone) | **{flop / rate / whole:.0%}** |")
    largest = sorted(taken.items(), key=lambda item: -item[1])[:8]
    print("\nthe rest:", ", ".join(f"{key} {micro / all_taken:.1%}" for key, micro in largest))


if __name__ == "__main__":
    main()
