"""Make a model of what table.py brought back of a training: its start and the difference, or the mean of both students.

python bench/gpu/bring_back.py --pack PACK --brought OUT/student --out FOLDER [--start-weight 0.3]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from contents import Contents, read_difference, widen_model  # noqa: E402

from pipeline.encoders.load import EncoderSettings, load_encoder, save_encoder  # noqa: E402
from pipeline.encoders.resolve import ModelFolder  # noqa: E402
from pipeline.ground.atomic import atomic_folder  # noqa: E402
from pipeline.training.checkpoint import load_trained_state, trained_state  # noqa: E402


def bring_back(pack: Path, brought: Path, out: Path, start_weight: float) -> None:
    """Write the student's folder: start + (1 - weight) · difference."""
    about = Contents.read(pack).about
    with tempfile.TemporaryDirectory() as held:
        widen_model(pack / "model", Path(held))
        settings = EncoderSettings("auto", about["prefix"], about["max_length"])
        encoder = load_encoder(ModelFolder(Path(held), about["start"], None, "packed"), settings)
        changed = read_difference(brought)
        state = trained_state(encoder.model)
        load_trained_state(
            encoder.model,
            {
                name: value + (1 - start_weight) * changed[name] if name in changed else value
                for name, value in state.items()
            },
        )
        with atomic_folder(out) as made:
            save_encoder(encoder.model, encoder.tokenizer, made)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--brought", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start-weight", type=float, default=0.0)
    options = parser.parse_args()
    bring_back(options.pack, options.brought, options.out, options.start_weight)
