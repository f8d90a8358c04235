"""Side by side: each row pits softalign against what people would use instead, by turns, on one machine.

`run.py` is the command. A row (`speed.rows`) makes its inputs, names its contestants and its bars. A contestant is a function
in `speed.contestants`, in its library's file, and runs in a process of its own (`speed.worker`). `speed.turns` has them run
by turns, so that a slow minute of the machine meets all. Outputs are compared before anything is timed.
"""
