"""What all rooms stand on: atomic files, hashes and checksums, languages, YAML, matrix products."""
