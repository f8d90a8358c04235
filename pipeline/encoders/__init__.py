"""Sentence encoders: teacher, student and the peers that they are measured against, behind one protocol."""
