"""Looking through everything that a project keeps for what is damaged, misplaced, stale or left over."""
