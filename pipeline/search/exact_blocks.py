"""Exact mining in blocks, by many workers or where neighbours are not to be held by one process.

Blocks are made of whole tiles, so every similarity has the bits that one process gives it, and the neighbours are the same
whatever the cut (see `pipeline.search.blocks`).
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.compute.work import Count
from pipeline.console.progress import Advance
from pipeline.search.blocks import Block, BlockBest, Merged, block_rows, cut
from pipeline.search.copies import Copies
from pipeline.search.neighbors import Neighbors, best_of_block, check_sizes
from pipeline.search.scratch import Room
from pipeline.search.vectors import VectorSource, check_pair
from pipeline.search.workers import SearchWorkers, Sides, ranges_wanted, searching


@dataclass(frozen=True)
class ExactBlock:
    """A block of the product of all vectors."""

    block: Block

    def do(self, sides: Sides, advance: Count) -> BlockBest:
        """Search it; holds ``memory_bytes``, and 16·k + 4 bytes a row of the block, at most half as much."""
        spans, share = (self.block.a, self.block.b), self.block.share(advance)
        best = best_of_block(sides.x, sides.y, spans, sides.k, sides.plan, sides.where, share, sides.copies)
        return BlockBest(*(side.keys.cpu().numpy() for side in best))


def spread_neighbors(
    x: VectorSource,
    y: VectorSource,
    k: int,
    memory_bytes: int,
    advance: Advance | None = None,
    room: Room | None = None,
    spread: SearchWorkers | None = None,
    copies: Copies | None = None,
) -> Neighbors:
    """The same as `pipeline.search.neighbors.mutual_neighbors`, block by block.

    Holds what is in the room if that is memory (20·k bytes a row of both sides), and besides up to four blocks' best for each
    worker, at most ``memory_bytes`` together; no similarities.

    Args:
        x: side a's vectors [n, d].
        y: side b's [m, d].
        k: neighbours of a row.
        memory_bytes: for what each worker holds, and half as much again for its result.
        advance: called with rows of x done; they add up to n.
        room: for the result; memory, if not given.
        spread: who searches; this process, if not given.
        copies: rows with the same text, which are no neighbours.

    Raises:
        VectorError: if the sides can't be compared, or a vector is zero or not finite.
        OSError: if the result doesn't fit on the disk.
    """
    check_pair(x, y)
    check_sizes(k, len(x), len(y))
    room, sides = room or Room(), Sides(x, y, k, memory_bytes, copies=copies)
    tile = sides.plan.tile
    blocks = cut(len(x), len(y), tile, block_rows(k, memory_bytes, tile), ranges_wanted(spread))
    of_x, of_y = Merged(len(x), k, room, "keys-a"), Merged(len(y), k, room, "keys-b")
    with searching(spread, sides, len(blocks), room) as crew:
        found = crew.map(map(ExactBlock, blocks), advance or _uncounted)
        for block, best in zip(blocks, found, strict=True):
            of_x.take(block.a, best.a)
            of_y.take(block.b, best.b)
    forward, backward = of_x.result(("similarity-a", "row-a")), of_y.result(("similarity-b", "row-b"))
    return Neighbors(*forward, *backward)


def _uncounted(_: int) -> None:
    pass
