"""Blocks that several threads read and write beside the network: the same result, and one sentence for each mistake."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr
from large_images import small_bundle, write_noise

from unetpipe import Predictor
from unetpipe.errors import InputError
from unetpipe.large import LargeSegmentation, OmeZarrImage, segmenting
from unetpipe.large.planning import plan_blocks
from unetpipe.large.processes import DaskProcesses, ThisProcess, threads_beside
from unetpipe.large.work import PagedArray, Work

BLOCK, THREADS = 32, 3
PATIENCE = 300  # seconds, which only bound a hang


class Image(OmeZarrImage):
    """An image of which a column of blocks can fail to be read."""

    fails = -1  # the number of the column

    def _read(self, index: tuple[int | slice, ...]) -> np.ndarray:
        if self.fails >= 0 and index[-1].start <= self.fails * BLOCK < index[-1].stop:
            raise OSError("the disk is gone")
        return super()._read(index)


class OutOfOrder(ThisProcess):
    """Threads that do the first job of each stage only after another one; ``most`` is how many do a job at a time."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self.lock = threading.Lock()
        self.now, self.most = 0, 0

    def each(self, function: Any, work: Work, jobs: Sequence[Any]) -> Iterator[None]:
        another = threading.Event()

        def do(work: Work, job: Any) -> None:
            with self.lock:
                self.now += 1
                self.most = max(self.most, self.now)
            if job is jobs[0] and len(jobs) > 1:
                assert another.wait(PATIENCE), "no other job was done meanwhile"
            function(work, job)
            with self.lock:
                self.now -= 1
            another.set()

        yield from super().each(do, work, jobs)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noise(tmp_path_factory.mktemp("image"), 100, 130)


@pytest.fixture(scope="module")
def bundle(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights, and thresholds that leave many cells."""
    folder = small_bundle(tmp_path_factory.mktemp("bundle"), channels=(4, 8))
    state = torch.load(folder / "models" / "model.pt", weights_only=True)
    _, probability = Predictor.load(folder)(zarr.open_array(image / "0")[:], return_probabilities=True)
    low, high = np.quantile(probability, [0.8, 0.93]).tolist()
    small_bundle(folder, channels=(4, 8), threshold=low, marker_threshold=high, min_size=4)
    torch.save(state, folder / "models" / "model.pt")
    return folder


@pytest.fixture(scope="module")
def alone(image: Path, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> list[np.ndarray]:
    return arrays(segment(OmeZarrImage(image), bundle, tmp_path_factory.mktemp("alone"), ThisProcess()))


def segment(image: OmeZarrImage, bundle: Path, output: Path, processes: Any, resume: bool = False) -> Path:
    made = LargeSegmentation(image, output, bundle, block=BLOCK, processes=processes, resume=resume)
    return made.run(progress=False)


def arrays(result: Path) -> list[np.ndarray]:
    return [zarr.open_array(result / name)[:] for name in ("0", "labels/cells/0")]


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_order_of_the_blocks_does_not_matter(image: Path, bundle: Path, alone, tmp_path: Path) -> None:
    threads = OutOfOrder(THREADS)
    assert same(alone, arrays(segment(OmeZarrImage(image), bundle, tmp_path, threads)))
    assert len(np.unique(alone[1])) > 5
    assert 1 < threads.most <= THREADS


def test_a_reader_that_fails_is_one_sentence(image: Path, bundle: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(Image, "fails", 2)
    with pytest.raises(InputError, match=r"cannot be read in rows .*the disk is gone"):
        segment(Image(image), bundle, tmp_path, ThisProcess(THREADS))


def test_a_writer_that_fails_is_one_sentence_and_resumed(
    image: Path, bundle: Path, alone, tmp_path: Path, monkeypatch
) -> None:
    write = PagedArray.write

    def full(self: PagedArray, page: int, region: Any, values: np.ndarray) -> None:
        if region.left == 2 * BLOCK and self.path.name == "0":
            raise OSError("no space left")
        write(self, page, region, values)

    with monkeypatch.context() as broken:
        broken.setattr(PagedArray, "write", full)
        with pytest.raises(InputError, match=r"cannot be written .*no space left"):
            segment(OmeZarrImage(image), bundle, tmp_path, ThisProcess(THREADS))
    assert not (tmp_path / "a.ome.zarr").exists()
    result = segment(OmeZarrImage(image), bundle, tmp_path, ThisProcess(THREADS), resume=True)
    assert same(alone, arrays(result))


class Workers(DaskProcesses):
    """Stand-in for workers on this machine; ``done`` holds the names of the functions that they computed."""

    def __init__(self, local: bool) -> None:
        self.workers, self.local = 2, local
        self.done: set[str] = set()

    def each(self, function: Any, work: Work, jobs: Sequence[Any]) -> Iterator[None]:
        for job in jobs:
            self.done.add(getattr(function, "__name__", "partial"))
            function(work, job)
            yield


@pytest.mark.parametrize("local", [True, False])
def test_workers_leave_the_gpu_of_their_machine_to_one_process(
    local: bool, image: Path, bundle: Path, alone, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(segmenting, "threads_beside", lambda device: THREADS)
    workers = Workers(local)
    assert same(alone, arrays(segment(OmeZarrImage(image), bundle, tmp_path, workers)))
    assert "label_components" in workers.done
    assert ("compute" in workers.done) is not local


def test_fewer_threads_where_memory_is_short(image: Path, bundle: Path) -> None:
    """The blocks, and so the result, are those of one thread."""
    large = OmeZarrImage(image)
    made = LargeSegmentation(large, image.parent / "out", bundle)
    budgets = {granted: plan_blocks(made.predictor, large, granted, threads=8) for granted in (2**31, 2**33, 2**36)}
    for granted, budget in budgets.items():
        one = plan_blocks(made.predictor, large, granted)
        assert (budget.side, budget.tile, one.threads) == (one.side, one.tile, 1)
        assert budget.total <= granted
    assert budgets[2**36].threads == 8
    assert 1 <= budgets[2**31].threads < 8


def test_threads_by_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, threads in ((1, 1), (4, 1), (16, 4), (128, 8)):
        monkeypatch.setattr("unetpipe.large.processes.os.cpu_count", lambda cores=cores: cores)
        assert threads_beside(torch.device("cuda")) == threads
        assert threads_beside(torch.device("cpu")) == 1
