"""What a person sees of work that runs: errors in one line, progress, being asked to stop. Nothing here changes a result."""
