"""Side by side: each row pits softalign against what people would use instead, by turns, on one machine.

`run.py` is the command. A row (`speed.rows`) makes its inputs, names its contestants and its bars; every contestant is a
process of its own (`speed.worker`), started once, that runs its work whenever it is told to; `speed.turns` tells them by
turns, so that a slow minute of the machine meets all. Outputs are compared before anything is timed.
"""
