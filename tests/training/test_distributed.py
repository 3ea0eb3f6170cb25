"""Two processes train as one with the doubled batch, and evaluate as one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from unetpipe.losses import DistributedWeightedCrossEntropy, WeightedCrossEntropy
from unetpipe.networks import UNet
from unetpipe.training import ShareOfSamples, distributed

SIDE = 28  # of a tile of a network of one pooling


def network() -> UNet:
    torch.manual_seed(1)
    return UNet(channels=(3, 6), norm=None, dropout=0.0).double()


def tiles(count: int, known: tuple[int, ...]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Return images and targets, of which so many rows are known."""
    generator = torch.Generator().manual_seed(2)
    net = network()
    out = net.output_size(SIDE)
    images = torch.randn(count, 1, SIDE, SIDE, generator=generator, dtype=torch.float64)
    label = torch.randint(0, 2, (count, 1, out, out), generator=generator)
    weight = 1 + 9 * torch.rand(count, 1, out, out, generator=generator, dtype=torch.float64)
    for tile, rows in zip(weight, known, strict=True):
        tile[:, rows:] = 0
    return images, {"label": label, "weight": weight}


def gradient(net: torch.nn.Module, images: torch.Tensor, target: dict, loss: torch.nn.Module) -> list[torch.Tensor]:
    loss(net(images), target).backward()
    return [parameter.grad for parameter in net.parameters()]


def one_of_two(rank: int, place: str, known: tuple[int, int]) -> None:
    os.environ.update(RANK=str(rank), WORLD_SIZE="2", LOCAL_RANK=str(rank))
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{place}/store", rank=rank, world_size=2)
    images, target = tiles(2, known)
    own = {key: value[rank : rank + 1] for key, value in target.items()}
    net = distributed.parallel(network())
    found = gradient(net, images[rank : rank + 1], own, DistributedWeightedCrossEntropy())
    order = list(ShareOfSamples(range(5), num_samples=4, seed=3))
    items = distributed.gathered([rank, rank * 10])
    files = distributed.share([{"image": name, "page": page} for name in "abc" for page in (0, 1)])
    torch.save({"gradient": found, "order": order, "items": items, "files": files}, Path(place) / f"{rank}.pt")
    distributed.leave_processes()
    os._exit(0)  # once, a destructor of PyTorch waited for ever for a thread of Gloo that waited for Python's lock


@pytest.fixture(scope="module", params=[(12, 3), (8, 0)], ids=["differing", "one without a known pixel"])
def two(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[int, int], list[dict]]:
    place = tmp_path_factory.mktemp("two")
    mp.spawn(one_of_two, (str(place), request.param), nprocs=2)
    return request.param, [torch.load(place / f"{rank}.pt", weights_only=True) for rank in range(2)]


def test_gradient_is_that_of_the_doubled_batch(two) -> None:
    known, found = two
    expected = gradient(network(), *tiles(2, known), WeightedCrossEntropy())
    for of_rank in found:
        for one, other in zip(of_rank["gradient"], expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-14)
    mean_of_means = [
        sum(parts) / 2
        for parts in zip(
            *(
                gradient(
                    network(),
                    images[None],
                    {k: v[None] for k, v in zip(target, values, strict=True)},
                    WeightedCrossEntropy(),
                )
                for images, target, values in _each(known)
            ),
            strict=True,
        )
    ]
    assert not torch.allclose(mean_of_means[0], expected[0])  # so the test can tell


def _each(known: tuple[int, int]):
    images, target = tiles(2, known)
    for index in range(2):
        yield images[index], target, [value[index] for value in target.values()]


def test_samples_are_shared_as_one_process_would_draw_them(two) -> None:
    _, found = two
    whole = list(ShareOfSamples(range(5), num_samples=8, seed=3))  # one process, the doubled batch
    assert [found[0]["order"], found[1]["order"]] == [whole[0::2], whole[1::2]]


def test_items_are_gathered_in_order_and_files_shared(two) -> None:
    _, found = two
    assert found[0]["items"] == found[1]["items"] == [0, 0, 1, 10]
    assert [record["image"] for record in found[0]["files"]] == ["a", "a", "c", "c"]
    assert [record["image"] for record in found[1]["files"]] == ["b", "b"]


def test_one_process_needs_nothing() -> None:
    net = network()
    distributed.join_processes()
    assert not dist.is_initialized()
    assert distributed.parallel(net) is net
    assert distributed.synchronised(net) is net
    assert distributed.gathered([1]) == [1]
    assert distributed.share([{"image": "a"}]) == [{"image": "a"}]
    images, target = tiles(2, (5, 6))
    assert torch.equal(
        *(loss()(net(images), target) for loss in (WeightedCrossEntropy, DistributedWeightedCrossEntropy))
    )


def test_epochs_draw_in_another_order() -> None:
    sampler = ShareOfSamples(range(50), num_samples=50, seed=0)
    first = list(sampler)
    assert list(sampler) == first
    sampler.set_epoch(1)
    assert list(sampler) != first
    assert len(sampler) == 50
