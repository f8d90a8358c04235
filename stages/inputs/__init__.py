"""What several stages read alike: models, labels, training pairs, benchmarks."""
