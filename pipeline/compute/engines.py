"""From ``compute`` in params.yaml to an engine."""

from __future__ import annotations

from pipeline.compute.in_process import Here
from pipeline.compute.work import ComputeError, Engine
from pipeline.config.compute import Compute


def open_engine(compute: Compute) -> Engine:
    """The engine that the parameters ask for; it starts nothing before there is work.

    Raises:
        ComputeError: if it needs a package that is not installed, or GPUs that this machine lacks.
    """
    if compute.engine == "ray":
        try:
            from pipeline.compute.on_ray import RayCluster  # an extra, and slow to import
        except ImportError as error:
            if error.name != "ray":
                raise
            raise ComputeError(
                "compute.engine: found 'ray', but the package ray is not installed; `pip install 'softalign[ray]'`, or "
                "set it to local"
            ) from None
        return RayCluster(compute.workers, compute.ray_address, compute.cpus or 1, compute.gpus)
    if compute.workers == 1 and compute.cpus is None:
        return Here()
    from pipeline.compute.processes import Processes  # most runs are of one process

    return Processes(compute.workers, compute.cpus, int(compute.gpus))
