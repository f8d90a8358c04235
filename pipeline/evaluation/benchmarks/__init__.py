"""The benchmarks, a file each: how its files are read, and where they are published."""
