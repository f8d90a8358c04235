"""Items in threads that each compute alone."""

import threading
import time

import pytest
import torch

from pipeline.ground.side_by_side import side_by_side


@pytest.fixture(autouse=True)
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_results_come_in_the_order_of_their_items():
    found = []
    side_by_side(lambda item: time.sleep(item / 100) or item, [5, 1, 4, 0], 2, found.append)
    assert found == [5, 1, 4, 0]


def test_so_many_are_worked_on_at_a_time_and_each_in_one_thread_of_torchs():
    together, found = threading.Barrier(2), []

    def work(_: int) -> int:
        together.wait(timeout=60)  # broken, if one would have to end before the next begins
        torch.ones(300, 300) @ torch.ones(300, 300)  # the first operation of a thread
        return torch.get_num_threads()

    side_by_side(work, range(6), 2, found.append)
    assert found == [1] * 6


def test_the_process_has_as_many_threads_as_before_and_so_do_threads_to_come():
    side_by_side(abs, range(6), 2, lambda _: None)
    found = [torch.get_num_threads()]
    later = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert found == [3, 3]


@pytest.mark.parametrize("where", ["an item", "what is done with a result"])
def test_what_has_not_begun_is_left_out_after_an_error(where: str):
    begun = []

    def work(item: int) -> int:
        begun.append(item)
        time.sleep(0.01)
        if where == "an item" and item == 1:
            raise KeyError("no such item")
        return item

    def stop(item: int) -> None:
        if where != "an item":
            raise KeyError("no such item")

    with pytest.raises(KeyError, match="no such item"):
        side_by_side(work, range(1000), 2, stop)
    assert len(begun) < 500
    assert torch.get_num_threads() == 3
    assert not any(thread.name.startswith("side by side") for thread in threading.enumerate())
