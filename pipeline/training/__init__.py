"""Training the student: batches, schedule, checkpoints, evaluation on the dev set, and the loop that joins them."""
