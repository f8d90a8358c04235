"""The steps of the stage prepare: read and clean, find duplicates, choose what is held out, write shards."""
