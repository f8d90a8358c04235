"""What the student is trained by: the paper's losses, its baselines, and sums of them.

A `Batch` holds the student's vectors of both sides of n pairs and one label vector per pair; `build_loss` turns named,
weighted terms into one `Loss`; `gather_columns` lets every process see the others' pairs as negatives. A contrastive
loss is an `Objective` (soft, hard, kl, similarity_mse: what one matrix of similarities should look like) taken over
views of the batch: across the languages (`CrossLingual`), or across and inside them (`TCM`).
"""

from pipeline.losses.batch import Anchors, Batch, Columns
from pipeline.losses.combine import Term, build_loss
from pipeline.losses.gather import gather_columns
from pipeline.losses.objective import CrossLingual, Loss, Objective

__all__ = ["Anchors", "Batch", "Columns", "CrossLingual", "Loss", "Objective", "Term", "build_loss", "gather_columns"]
