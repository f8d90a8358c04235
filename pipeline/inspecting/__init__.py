"""What an artifact holds, in words: facts and samples of any file or folder that a stage writes.

Everything here reads memory maps and lazily scanned files, and takes samples: looking costs the same for a thousand rows and
for a hundred million, but for ``query``, which scans texts.
"""
