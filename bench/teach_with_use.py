"""Vectors of Universal Sentence Encoder Multilingual 3 as the teacher's: a teacher that knows both languages.

    python bench/teach_with_use.py --project DIR        # in the place of stage teach; `pip install 'softalign[use]'`

Writes the project's ``data/teacher/<lang>`` for the languages that its parameters ask of a teacher (both of each pair with
``labels: {strategy: average}``). Everything after it is as with any teacher; stage teach must not be run again. 35-60
sentences a second on a CPU.
"""

from __future__ import annotations

import pipeline  # noqa: F401  (first: how waiting threads wait is read when torch and NumPy load)

# isort: split
import argparse
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.artifacts.shards import fixed_list_array, key_array, open_folder, shard_path, vector_schema, write_shard
from pipeline.embedding.embed import vector_metadata
from pipeline.evaluation.peers import USE_DIMENSION, open_use
from pipeline.ground.atomic import atomic_folder
from stages.running.command import Project


def main() -> None:
    """Embed every sentence once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=Path())
    project = Project.open(parser.parse_args().project)
    model = open_use("use")
    identity = {**model.identity, "dimension": USE_DIMENSION}
    for language in project.params.teacher_languages:
        shards, start = open_folder(project.layout.sentences / language), time.perf_counter()
        with atomic_folder(project.layout.teacher / language) as made:
            for number, shard in enumerate(shards):
                vectors = model.encode(shard.table.column("text").to_pylist())
                vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
                columns = [key_array(shard.keys), fixed_list_array(vectors.astype(np.float16), pa.float16())]
                table = pa.Table.from_arrays(columns, schema=vector_schema(USE_DIMENSION))
                metadata = vector_metadata(identity, language, f"{project.layout.teacher.name}/{language}")
                write_shard(shard_path(made, number), table, metadata, len(shards))
        print(f"{language}: {sum(map(len, shards)):,} sentences, {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
