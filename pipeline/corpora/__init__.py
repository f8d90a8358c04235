"""Corpora in: every form in which people have parallel or one-sided text.

`registry` names the formats. A format's module turns a `base.Request` into units of work (found before anything is read, so
that what is missing is said at once) and reads a unit as a stream of frames in one schema; whatever cannot be read is a row
with a reason, or an error that names file and line. Cleaning and counting happen elsewhere, once for all formats.
"""
