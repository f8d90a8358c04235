"""The files that stage prepare reads: corpora, one-sided text, and benchmarks that must not be trained on."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from pathlib import Path

from pipeline.config.prepare import Corpus
from pipeline.corpora.base import ReadRequest
from pipeline.corpora.places import find_files
from pipeline.corpora.registry import corpus_request, text_request
from pipeline.prepare.benchmarks import benchmark_request
from stages.running.command import Project
from stages.running.named_inputs import Input, plugin_input


def corpus_inputs(project: Project) -> list[Input]:
    """What stage prepare reads, as `stages.running.named_inputs.named_inputs` has it for the others.

    Raises:
        UserError: if nothing is where params.yaml says.
    """
    config, root, languages = project.params.prepare, project.layout.root, project.params.languages
    found = [one for corpus in config.corpora for one in _corpus(project, corpus)]
    found += [_matching(f"prepare.text: {text.name}", text_request(text, root, languages)) for text in config.text]
    for one in (*config.corpora, *config.text):
        found += plugin_input(project, f"prepare: {one.name}", one)
    return found + [
        _matching(f"prepare.decontaminate.benchmarks: {one.name}", benchmark_request(one, root))
        for one in config.decontaminate.benchmarks
    ]


def _corpus(project: Project, corpus: Corpus) -> Iterator[Input]:
    root, key = project.layout.root, f"prepare.corpora: {corpus.name}"
    if files := corpus.how.files_read(corpus.name):
        yield Input(key, tuple(root / name for name in files))
    elif corpus.path is not None and corpus.how.whole_folder:
        yield Input(key, (root / corpus.path,))
    elif corpus.path is not None:
        yield _matching(key, corpus_request(corpus, project.params.language_pairs, root))


def _matching(key: str, request: ReadRequest) -> Input:
    """The files that a path, template or glob finds, and the folders in which a new file would be found too."""
    files = tuple(found.source.path for found in find_files(request))
    pattern = request.root / str(request.path)
    if not glob.has_magic(str(request.path)):
        return Input(key, files, (pattern,) if pattern.is_dir() else ())
    # A template's languages stand in params.yaml: only what comes after the first part with a * or the like is open.
    fixed = len(request.root.parts) if not Path(str(request.path)).is_absolute() else 0
    fixed += next(place for place, part in enumerate(Path(str(request.path)).parts) if glob.has_magic(part))
    return Input(key, files, tuple(dict.fromkeys(Path(*file.parts[:fixed]) for file in files)))
