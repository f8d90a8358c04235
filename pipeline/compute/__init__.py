"""Who does the work that is one shard at a time: this process, processes of this machine, or a Ray cluster."""
