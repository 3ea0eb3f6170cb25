from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from ignite.engine import Engine, Events
from monai.data import Dataset, MetaTensor
from monai.transforms import Compose
from scipy import ndimage

from unetpipe.errors import InputError, input_error_behind
from unetpipe.handlers import BackgroundPostprocessing, ReadAheadLoader, background
from unetpipe.instances import InstancesFromProbabilityd
from unetpipe.transforms import SaveMasksd


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


def items(count: int) -> list[dict]:
    random = np.random.default_rng(0)
    cells = [ndimage.gaussian_filter(random.random((80, 90)), 3) > 0.5 for _ in range(count)]
    found = []
    for number, cell in enumerate(cells):
        meta = {"filename_or_obj": f"{number}.tif", "mask_name": f"mask{number}.tif"}
        probability = MetaTensor(torch.tensor(np.stack([~cell, cell]) * 0.9 + 0.05, dtype=torch.float32), meta=meta)
        found.append({"number": number, "pred": probability, "image": torch.tensor(cell[None] * 2.0 - 1)})
    return found


FACTS = {"cell_areas": [1, 1, 1, 1, 1], "foreground": [0.5, 0.5], "detail": [[0, 0]] * 5, "doubt": 0.01}


def test_processes_find_what_threads_find(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The same instances, confidences, files and sentences; an error ends the run, and the processes."""
    monkeypatch.chdir(tmp_path)
    for number in range(6):
        Path(f"{number}.tif").write_bytes(b"of which the journal notes size and time")
    found: dict[int, dict] = {}
    cut = InstancesFromProbabilityd("pred", trained_on=FACTS, threshold=0.4, marker_threshold=0.8)
    save = SaveMasksd("pred", "")
    chain = Compose([cut, save, lambda item: found.update({item["number"]: item})])
    results, texts = [], []
    for processes in (0, 2):
        save.output_dir = tmp_path / str(processes)
        caplog.clear()
        found.clear()
        engine = Engine(lambda engine, batch: [dict(item) for item in batch])
        handler = BackgroundPostprocessing(chain, 2, processes)
        handler.attach(engine)
        engine.add_event_handler(Events.STARTED, partial(until_begun, handler))
        engine.run([items(6)[:3], items(6)[3:]])
        assert found.keys() == set(range(6))
        assert (cut.elsewhere is not None) is (save.elsewhere is not None) is (processes > 0)
        results.append([(found[n]["pred"].numpy(), found[n]["pred_confidence"]) for n in range(6)])
        texts.append(sorted(record.getMessage() for record in caplog.records))
    for (one, confidences), (other, others) in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.max() > 1
        assert confidences == others
    assert texts[0] == texts[1] != []
    masks = [[path.read_bytes() for path in sorted(tmp_path.glob(f"{processes}/mask*"))] for processes in (0, 2)]
    assert masks[0] == masks[1]
    assert len(masks[0]) == 6
    cut.strict = True
    running = [psutil.Process(process) for process in handler._elsewhere._pool._processes]
    with pytest.raises(RuntimeError) as raised:
        engine.run([items(1)], max_epochs=2)
    assert "0.tif: " in str(input_error_behind(raised.value))
    assert len(running) == 2
    assert psutil.wait_procs(running, timeout=60)[1] == []


def until_begun(handler: BackgroundPostprocessing) -> None:
    processes = handler._elsewhere
    deadline = time.monotonic() + 300
    while processes is not None and processes._begun.value < processes.count and time.monotonic() < deadline:
        time.sleep(0.05)


class Elsewhere:
    """It stands for a transform that can be computed elsewhere."""

    elsewhere = None

    def __call__(self, item: float) -> float:
        return item


@pytest.mark.parametrize(
    ("device", "cores", "count", "begun", "started", "threads"),
    [
        ("cuda", 16, 6, True, ["start 8"], 8),
        ("cuda", 16, 6, False, ["start 8", "end", "start 8", "end"], 8),  # the run is over before they have begun
        ("cuda", 16, 5, True, [], 8),  # few images
        ("cuda", 3, 6, True, [], 1),  # few cores
        ("cpu", 16, 6, True, [], 4),
    ],
)
def test_processes_start_where_they_pay(
    device: str, cores: int, count: int, begun: bool, started: list[str], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    class Fake:
        all_begun = begun

        def __init__(self, count: int) -> None:
            made.append(f"start {count}")

        def close(self) -> None:
            made.append("end")

        def call(self, function: Callable, *given: object) -> object:
            return function(*given)

    monkeypatch.setattr(background, "FreshProcesses", Fake)
    monkeypatch.setattr(background, "FEWEST_IMAGES", len(SIDES))
    monkeypatch.setattr(background.os, "cpu_count", lambda: cores)
    monkeypatch.setattr(background.os, "sched_getaffinity", lambda process: range(cores), raising=False)
    engine = Engine(lambda engine, batch: list(batch["image"][:, 0, 0, 0]))
    engine.state.device = torch.device(device)  # type: ignore[attr-defined]
    handler = BackgroundPostprocessing(Compose([Compose([Elsewhere()])]))
    handler.attach(engine)
    loader = ReadAheadLoader(Dataset(images().data[:count]), batch_size=1, device=device)
    for _ in range(2):  # they stay for the next run
        engine.state.epoch = engine.state.iteration = 0
        engine.run(loader, max_epochs=1)
    assert made == started
    assert handler._threads == threads


def test_threads_do_it_where_no_process_can_start(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(count: int) -> None:
        raise OSError("Resource temporarily unavailable")

    monkeypatch.setattr(background, "FreshProcesses", refuse)
    caplog.set_level(logging.INFO)
    part, done = Elsewhere(), []
    engine = Engine(lambda engine, batch: batch)
    BackgroundPostprocessing(Compose([part, done.append]), processes=2).attach(engine)
    engine.run([[1], [2]])
    assert sorted(done) == [1, 2]
    assert part.elsewhere is None
    assert "temporarily unavailable" in caplog.text
