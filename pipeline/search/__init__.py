"""Nearest neighbours of two sides of vectors: exact, approximate, and through FAISS."""
