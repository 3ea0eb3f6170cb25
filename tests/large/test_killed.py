"""kill -9 at several moments: what is complete stays, the rest is done again, and the result is the undisturbed one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import zarr
from large_images import small_bundle, write_noise

from unetpipe.errors import InputError
from unetpipe.large import LargeSegmentation, OmeZarrImage, segmenting
from unetpipe.large.processes import cluster_processes, local_processes

pytestmark = pytest.mark.posix
BLOCK = 32
# files of the work folder, and how many of them there are when the blow falls
MOMENTS = [("result.ome.zarr/0/c/*/*", 7), ("components/*", 5), ("result.ome.zarr/labels/cells/0/c/*/*", 3)]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noise(tmp_path_factory.mktemp("image"), 200, 230)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundle(tmp_path_factory.mktemp("bundle"), channels=(4, 8), threshold=0.45, marker_threshold=0.6)


@pytest.fixture(scope="module")
def undisturbed(image: Path, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> list[np.ndarray]:
    return arrays(segment(image, bundle, tmp_path_factory.mktemp("whole")))


def segment(image: Path, bundle: Path, output: Path, resume: bool = False, processes=None) -> Path:
    made = LargeSegmentation(OmeZarrImage(image), output, bundle, block=BLOCK, resume=resume, processes=processes)
    return made.run(progress=False)


def segment_until_killed(image: Path, bundle: Path, output: Path, resume: bool) -> None:
    """Segment, but wait before the result is published: however late the blow falls, it falls before the end."""
    segmenting.publish = lambda work, target, facts: threading.Event().wait()  # type: ignore[assignment]
    segment(image, bundle, output, resume)


def arrays(result: Path) -> list[np.ndarray]:
    return [zarr.open_array(result / name)[:] for name in ("0", "labels/cells/0")]


def wait_for(work: Path, pattern: str, count: int, process: multiprocessing.Process) -> None:
    while sum(1 for _ in work.glob(pattern)) < count:
        assert process.is_alive(), f"it ended before {count} of {pattern}"
        time.sleep(0.002)  # the moment is that of the files, not of the clock


def test_segmentation_killed_three_times(image: Path, bundle: Path, undisturbed, tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["unetpipe.large"])
    for number, (pattern, count) in enumerate(MOMENTS):
        process = context.Process(target=segment_until_killed, args=(image, bundle, tmp_path, number > 0))
        process.start()
        wait_for(tmp_path / ".a.work", pattern, count, process)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert not (tmp_path / "a.ome.zarr").exists()
    result = segment(image, bundle, tmp_path, resume=True)
    for one, other in zip(arrays(result), undisturbed, strict=True):
        assert np.array_equal(one, other)
    assert not list(result.rglob("*.partial"))


class KillsAWorker:
    """A cluster of which a worker is killed while it computes."""

    def __init__(self, processes, folder: Path) -> None:
        self.processes, self.folder = processes, folder
        self.workers, self.threads = processes.workers, processes.threads
        self.killed: list[int] = []

    def each(self, function, work, jobs):
        for done, result in enumerate(self.processes.each(function, work, jobs), start=1):
            if done == 3 and not self.killed and len(jobs) > 20 and function.__name__ == "compute":
                pids = self.processes.client.run(os.getpid)
                self.killed.append(next(iter(pids.values())))
                os.kill(self.killed[0], signal.SIGKILL)
            yield result


def test_dask_worker_killed(image: Path, bundle: Path, undisturbed, tmp_path: Path) -> None:
    with local_processes(2) as cluster:
        processes = KillsAWorker(cluster, tmp_path)
        result = segment(image, bundle, tmp_path, processes=processes)
        (killed,) = processes.killed
        assert not psutil.pid_exists(killed)
        for one, other in zip(arrays(result), undisturbed, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)
        # the same cluster by its address, as a running one
        with cluster_processes(cluster.client.scheduler.address) as known:
            again = segment(image, bundle, tmp_path / "again", processes=known)
        for one, other in zip(arrays(again), undisturbed, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)
        # a mistake in a worker is the same sentence here
        chunk = image / "0" / "c" / "0" / "0"
        content = chunk.read_bytes()
        chunk.write_bytes(content[:20])
        with pytest.raises(InputError, match="cannot be read in rows"):
            segment(image, bundle, tmp_path / "corrupt", processes=cluster)
        assert not (tmp_path / "corrupt").exists()
        chunk.write_bytes(content)
