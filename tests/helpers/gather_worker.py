"""One of the processes of test_gather.py: `gather_worker.py MODE RANK WORLD RENDEZVOUS RESULT`.

Every process makes the same joined batch and the same student from seeds, takes its own rows, and writes the student's
gradient as DistributedDataParallel leaves it, and the mean over processes of the loss, to RESULT (safetensors).
"""

import sys
from datetime import timedelta
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import distributed as dist
from torch import nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from pipeline.losses.batch import Batch
from pipeline.losses.combine import build_loss
from pipeline.losses.gather import gather_columns

sys.path.insert(0, str(Path(__file__).parent))
from loss_batches import term, unit

ROWS = 8
TERMS = {
    "soft": [term("soft", teacher=0.1, student=0.1)],
    "tcm": [term("soft", teacher=0.2, tcm=0.5)],
    "hard": [term("hard", margin=0.1, mask_duplicates=True)],
    "sum": [term("kl", tcm=1.0), term("similarity_mse", 3.0), term("mse", 2.0)],
}


class Model(nn.Module):
    """A student of one layer, and the loss with what it learns itself: all that DDP has to average."""

    def __init__(self, terms) -> None:
        super().__init__()
        self.student = nn.Linear(7, 5, dtype=torch.float64)
        self.loss = build_loss(terms, student_dimension=5, teacher_dimension=3, seed=3).double()
        with torch.no_grad():
            self.student.weight.copy_(unit(5, 7, 5))
            self.student.bias.copy_(unit(1, 5, 6)[0])

    def encode(self, features):
        return functional.normalize(self.student(features), dim=1)

    def forward(self, features, other, labels, teacher, points):
        return self.loss(gather_columns(Batch(self.encode(features), self.encode(other), labels, teacher, points)))


class AuthorsModel(Model):
    """The whole loss on every process; other processes' vectors come without gradient."""

    def everybody(self, rows):
        gathered = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
        dist.all_gather(gathered, rows.detach())
        gathered[dist.get_rank()] = rows
        return torch.cat(gathered)

    def forward(self, features, other, labels, teacher, points):
        x, y = self.everybody(self.encode(features)), self.everybody(self.encode(other))
        return self.loss(Batch(x, y, self.everybody(labels), self.everybody(teacher)))


def joined_batch():
    points = torch.tensor([0, 1, 2, 3, 0, 1, 0, 4])
    return unit(ROWS, 7, 1), unit(ROWS, 7, 2), unit(ROWS, 4, 3), unit(ROWS, 3, 4), points


def trained(model, inputs, weight=1.0):
    """The loss, times a process' weight, and every gradient, named, of one step."""
    loss = model(*inputs) * weight
    loss.backward()
    module = model.module if isinstance(model, DistributedDataParallel) else model
    return {"loss": loss.detach()} | {name: p.grad for name, p in module.named_parameters()}


def main(mode, rank, world, rendezvous, result):
    torch.set_num_threads(1)
    limit = timedelta(seconds=60)
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=world, timeout=limit)
    share = ROWS // world
    mine = slice(rank * share, (rank + 1) * share)
    if mode == "uneven":
        mine = slice(0, 3) if rank == 0 else slice(3, ROWS)
    inputs = [value[mine] for value in joined_batch()]
    weight = len(inputs[0]) * world / ROWS
    if mode == "points" and rank == 0:
        inputs[-1] = None
    values = {}
    try:
        for name, terms in TERMS.items():
            if mode == "authors" and name != "soft":
                continue
            model = DistributedDataParallel((AuthorsModel if mode == "authors" else Model)(terms))
            found = trained(model, inputs, weight)
            dist.all_reduce(found["loss"])
            found["loss"] /= world
            values |= {f"{name}/{key}": value.contiguous() for key, value in found.items()}
        save_file(values, result)
    except ValueError as error:
        Path(result).write_text(str(error))
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5])
