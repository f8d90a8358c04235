"""The vector store: on this machine, shared by several processes, or elsewhere."""
