"""Soft labels: label points of the whole corpus, and their neighbourhoods."""
