"""What runs a stage: its command line, its lock, where its artifacts lie, what it says when something lacks."""
