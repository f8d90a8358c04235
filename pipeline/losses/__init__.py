"""What the student is trained by: the paper's losses, its baselines, and sums of them.

A `batch.Batch` holds the student's vectors of both sides of n pairs and one label vector per pair; a loss (a file in `terms`)
says what the batch's similarities or vectors should look like; `combine` sums them; `gather` lets every process see the
others' pairs as negatives.
"""
