from __future__ import annotations

import threading
import time

import pytest
import torch
from ignite.engine import Engine
from monai.data import Dataset

from unetpipe.errors import InputError
from unetpipe.handlers import BackgroundPostprocessing, ReadAheadLoader, background


def evaluator(transform, workers: int | None = None) -> Engine:
    """Return an engine that hands on its batch, a list of items, as a decollating evaluator does."""
    engine = Engine(lambda engine, batch: batch)
    BackgroundPostprocessing(transform, workers).attach(engine)
    return engine


@pytest.mark.parametrize("workers", [None, 1, 3])
def test_every_result_is_done_before_the_run_is_over(workers: int | None) -> None:
    done = []

    def slow(item: int) -> None:
        time.sleep(0.01)
        done.append(item)

    evaluator(slow, workers).run([[1, 2], [3], [4, 5, 6]])
    assert sorted(done) == [1, 2, 3, 4, 5, 6]


def test_one_worker_keeps_the_order() -> None:
    done: list[int] = []
    evaluator(done.append, workers=1).run([[3], [1], [2]])
    assert done == [3, 1, 2]


def test_next_iteration_does_not_wait() -> None:
    """The first result is held back until the second has been computed: without a thread nothing would go on."""
    second = threading.Event()

    def step(engine: Engine, batch: list[int]) -> list[int]:
        if batch == [2]:
            second.set()
        return batch

    engine = Engine(step)
    waited = []
    BackgroundPostprocessing(lambda item: waited.append(second.wait(30)), 1).attach(engine)
    engine.run([[1], [2]])
    assert waited == [True, True]


def test_few_results_are_held() -> None:
    """With one worker the second result waits for the first one's end."""
    begun = []
    engine = evaluator(begun.append, workers=1)
    engine.run([[number] for number in range(20)])
    assert begun == list(range(20))


def test_what_goes_wrong_ends_the_run() -> None:
    def full(item: int) -> None:
        raise InputError("The disk is full.")

    with pytest.raises(InputError, match="full"):
        evaluator(full).run([[1], [2], [3]])
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("postprocess")]


def test_what_goes_wrong_at_the_end_ends_the_run_too() -> None:
    def full(item: int) -> None:
        raise InputError("The disk is full.")

    with pytest.raises(InputError, match="full"):
        evaluator(full).run([[1]])


def test_read_ahead_yields_what_the_loader_yields() -> None:
    loader = ReadAheadLoader(Dataset([{"image": torch.tensor(float(number))} for number in range(5)]), batch_size=2)
    assert len(loader) == 5  # images
    assert [batch["image"].tolist() for batch in loader] == [[0, 1], [2, 3], [4]]


def test_read_ahead_passes_errors_on() -> None:
    def read(item: int) -> int:
        if item == 2:
            raise InputError("It cannot be read.")
        return item

    batches = iter(ReadAheadLoader(Dataset([0, 1, 2, 3], read), batch_size=1))
    assert [next(batches).item() for _ in range(2)] == [0, 1]
    with pytest.raises(RuntimeError) as raised:
        next(batches)
    assert "cannot be read" in str(raised.value.__cause__)


def test_next_batch_is_read_meanwhile() -> None:
    read = []

    def remember(item: int) -> int:
        read.append(item)
        return item

    batches = iter(ReadAheadLoader(Dataset([0, 1, 2], remember), batch_size=1))
    next(batches)
    deadline = time.monotonic() + 30
    while len(read) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert read == [0, 1]
    batches.close()


SIDES = [4, 4, 4, 6, 4, 4]


def images() -> Dataset:
    return Dataset([{"image": torch.full((1, side, side), float(number))} for number, side in enumerate(SIDES)])


def test_images_of_one_size_in_a_row_form_a_batch() -> None:
    batches = [batch["image"] for batch in ReadAheadLoader(images(), batch_size=2)]
    assert [tuple(batch.shape[::3]) for batch in batches] == [(2, 4), (1, 4), (1, 6), (2, 4)]
    assert torch.cat([batch[:, 0, 0, 0] for batch in batches]).tolist() == list(range(6))


def test_by_default_one_on_a_cpu_and_many_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [len(batch["image"]) for batch in ReadAheadLoader(images(), batch_size=None)] == [1] * 6
    on_gpu = ReadAheadLoader(images(), batch_size=None, device="cuda")
    assert [len(batch["image"]) for batch in on_gpu] == [3, 1, 2]
    monkeypatch.setattr(background, "MOST_PIXELS", 2 * 4 * 4)
    assert [len(batch["image"]) for batch in on_gpu] == [2, 1, 1, 2]


def test_an_engine_takes_each_image_once_however_many_batches_they_make() -> None:
    engine = Engine(lambda engine, batch: list(batch["image"][:, 0, 0, 0]))
    done: list[float] = []
    BackgroundPostprocessing(lambda item: done.append(float(item)), 1).attach(engine)
    for _ in range(2):  # and once more when it runs again
        engine.state.epoch = engine.state.iteration = 0
        engine.run(ReadAheadLoader(images(), batch_size=2), max_epochs=1)
    assert done == 2 * list(range(6))
