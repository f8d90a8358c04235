"""One of the processes of test_gradients.py: `gradient_worker.py CHUNK RESULT`, its rank and world in the environment.

Every process makes the same student, loss and two joined batches from seeds, takes its own pairs of each, and writes the
gradients of one accumulated step, and the losses' mean over processes, to RESULT (safetensors).
"""

import sys
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from safetensors.torch import save_file

from pipeline.artifacts.tokens import TokenBatch
from pipeline.encoders.model import TransformerModel
from pipeline.losses import Batch, Term, build_loss, gather_columns
from pipeline.training.gradients import backward, piece_count
from pipeline.training.optimizer import average_gradients

sys.path.insert(0, str(Path(__file__).parent))
from loss_batches import unit

PAIRS, BATCHES, TEACHER = 8, 2, 5


def tiny_bert(dropout: float = 0.0) -> TransformerModel:
    from transformers import BertConfig, BertModel

    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=24,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    return TransformerModel(BertModel(config, add_pooling_layer=False), "mean", 0).train()


def tokens(pairs: int, seed: int) -> TokenBatch:
    """Sentences of 2 to 18 tokens: chunks are padded to different lengths."""
    generator = np.random.default_rng(seed)
    return TokenBatch.from_lists([generator.integers(1, 50, generator.integers(2, 19)).tolist() for _ in range(pairs)])


def step(accelerator, student, chunk, pairs=PAIRS, batches=BATCHES):
    """The loss and every gradient, named, of one accumulated step, as `pipeline.training.step` takes it."""
    terms = [Term("soft", 1.0, {"teacher_temperature": 0.1, "tcm": 0.5}), Term("mse", 2.0)]
    loss = build_loss(terms, student_dimension=16, teacher_dimension=TEACHER, seed=3)
    model = accelerator.prepare(student)
    each = pairs // accelerator.num_processes
    rows = np.arange(each * accelerator.process_index, each * (accelerator.process_index + 1))
    total = torch.zeros(())
    for number in range(batches):
        teacher = unit(pairs, TEACHER, number, torch.float32)[rows]
        sides = tokens(pairs, 10 + number).select(rows), tokens(pairs, 20 + number).select(rows)

        def objective(vectors, teacher=teacher):
            batch = Batch(vectors[: len(teacher)], vectors[len(teacher) :], teacher, teacher)
            return loss(gather_columns(batch)) / batches

        pieces = piece_count(pairs, accelerator.num_processes, chunk)
        total += backward(accelerator, model, sides, objective, pieces, last=number == batches - 1)[0]
    average_gradients(loss, accelerator)
    found = {"loss": accelerator.reduce(total, reduction="mean")}
    for name, module in (("student", student), ("loss", loss)):
        found |= {f"{name}.{key}": value.grad for key, value in module.named_parameters()}
    return found


def main(chunk: str, result: str) -> None:
    torch.set_num_threads(1)
    accelerator = Accelerator(cpu=True)
    found = step(accelerator, tiny_bert(), int(chunk) or None)
    save_file({name: value.contiguous().clone() for name, value in found.items()}, result)
    accelerator.end_training()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
