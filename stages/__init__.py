"""One thin file per DVC stage, of the stage's own name: read the parameters, call `pipeline`, write artifacts and metrics."""
