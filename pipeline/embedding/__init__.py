"""Shards of sentences to tokens (stage tokenize) and to vectors (stages teach and embed)."""
