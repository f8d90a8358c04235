import pytest
import torch

from pipeline.encoders.pieces import in_pieces


def test_gradients_are_the_sum_over_the_pieces():
    weight, unused = torch.tensor([2.0], requires_grad=True), torch.tensor([1.0], requires_grad=True)
    inputs = [torch.tensor([3.0], requires_grad=True), torch.tensor([5.0])]
    threads = list[int]()

    def compute(number: int, given: torch.Tensor) -> torch.Tensor:
        threads.append(torch.get_num_threads())
        return weight * given**2

    results = in_pieces(compute, inputs, [weight, unused])
    assert [found.tolist() for found in results] == [[18.0], [50.0]]
    assert threads == [1, 1]
    (10 * results[0] + results[1]).sum().backward()
    assert weight.grad.tolist() == [10 * 9 + 25]
    assert inputs[0].grad.tolist() == [10 * 2 * 2 * 3]
    assert inputs[1].grad is None and unused.grad is None


def test_without_gradients_no_graph_is_made():
    weight, graphs = torch.tensor([2.0], requires_grad=True), list[bool]()

    def compute(number: int, given: torch.Tensor) -> torch.Tensor:
        graphs.append((weight * given).requires_grad)
        return weight * given

    with torch.no_grad():
        (found,) = in_pieces(compute, [torch.ones(1, requires_grad=True)], [weight])
    assert found.tolist() == [2.0] and not found.requires_grad
    assert graphs == [False]


def test_a_piece_that_fails_fails_all():
    def compute(number: int, given: torch.Tensor) -> torch.Tensor:
        if number:
            raise ValueError("piece 1")
        return given

    with pytest.raises(ValueError, match="piece 1"):
        in_pieces(compute, [torch.ones(1), torch.ones(1)], [])
