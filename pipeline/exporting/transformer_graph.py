"""A transformer encoder as an ONNX graph, by torch's exporter, then optimised by ONNX Runtime.

The graph gives ``last_hidden_state`` (what sentence-transformers' ONNX backend asks for, and pools itself) and the pooled,
normalised ``sentence_embedding``. Attention is exported in its plain form: torch's fused one becomes more operators, with a
guard for rows that are all masked, and no faster ones.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.console.errors import UserError
from pipeline.encoders.model import TransformerModel
from pipeline.encoders.pooling import normalise, pool
from pipeline.exporting.graph import INPUTS, LARGEST, OPSET, VECTORS, load_graph, quiet, save_graph

HIDDEN = "last_hidden_state"


class _Exported(nn.Module):
    """Ids and mask [n, length] to token vectors [n, length, d] and sentence vectors [n, d]."""

    def __init__(self, model: TransformerModel) -> None:
        super().__init__()
        self.backbone, self.pooling, self.head, self.skip = model.backbone, model.pooling, model.head, model.skip or 0

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.backbone(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return hidden, normalise(self.head(pool(hidden, attention_mask, self.pooling, self.skip)))


def write_transformer(model: TransformerModel, path: Path, name: str) -> None:
    """Write a transformer as an optimised ONNX graph. Holds the weights three times at most.

    Args:
        model: the encoder, in float32 on the CPU; its attention is set to the plain form.
        path: the graph's file.
        name: the model's name, for messages.

    Raises:
        UserError: if torch can't export this architecture.
    """
    model.backbone.set_attn_implementation("eager")
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length")
    axes = {0: batch, 1: length}
    # Sizes of 0 and 1 would be taken for constants, and one tensor given twice for one input.
    ids, mask = (torch.ones(2, 16, dtype=torch.int64) for _ in INPUTS)
    raw = path.with_suffix(".raw.onnx")
    with quiet("torch.onnx"):
        try:
            program = torch.onnx.export(
                _Exported(model).eval(),
                (ids, mask),
                input_names=list(INPUTS),
                output_names=[HIDDEN, VECTORS],
                dynamic_shapes=dict.fromkeys(INPUTS, axes),
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
        except (RuntimeError, ValueError, TypeError) as error:  # torch's exporter's own errors are RuntimeErrors
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise UserError(f"--to onnx: torch can't export {name} ({reason})") from None
    if program is None:
        raise UserError(f"--to onnx: torch gave no graph of {name}")
    exported = program.model_proto
    if exported.ByteSize() > LARGEST:
        # ONNX Runtime optimises it whenever it is loaded; doing so beforehand only saves seconds of that.
        save_graph(exported, path)
        return
    save_graph(exported, raw)
    del exported, program
    optimise(raw, path)
    raw.unlink()


def optimise(source: Path, path: Path) -> None:
    """Fuse what ONNX Runtime fuses on every CPU (GELU with its bias, layer norms with their sums), and write that."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # One level more would be for this machine's CPU alone.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    save_graph(load_graph(path), path)
