"""Mining and scoring of a user's own files, with any model and without a pipeline."""
