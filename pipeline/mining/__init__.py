"""Bitext mining: arrays in, a table out."""
