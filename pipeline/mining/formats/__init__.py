"""The forms in which pairs are written, a file each."""
