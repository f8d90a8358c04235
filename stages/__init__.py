"""One thin file per DVC stage, of the stage's own name: read the parameters, call `pipeline`, write artifacts and metrics."""

import signal
import sys

import pipeline  # noqa: F401  (how threads wait is set there, before a stage imports torch)

if sys.argv[0] == "-m" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # `python -m stages.<name>`, whose imports take seconds: until it has begun, Ctrl-C just ends it, without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
