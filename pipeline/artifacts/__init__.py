"""The files between stages: Arrow shards and folders of them, pairs, Parquet."""
