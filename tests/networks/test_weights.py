from __future__ import annotations

from pathlib import Path

import pytest
import torch

from unetpipe.errors import InputError
from unetpipe.networks import UNet, load_weights, save_state


def network(seed: int = 0, **options) -> UNet:
    torch.manual_seed(seed)
    return UNet(**{"channels": (2, 4), "norm": "batch", **options})


def assert_same(one: torch.nn.Module, other: torch.nn.Module) -> None:
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def test_written_weights_come_back(tmp_path: Path) -> None:
    written, read = network(0), network(1)
    save_state(written.state_dict(), tmp_path / "new" / "model.pt")
    assert load_weights(read, tmp_path / "new" / "model.pt") is read
    assert_same(written, read)


def test_weights_under_the_key_model_come_back(tmp_path: Path) -> None:
    written, read = network(0), network(1)
    torch.save({"model": written.state_dict(), "epoch": 3}, tmp_path / "model.pt")
    assert_same(written, load_weights(read, tmp_path / "model.pt"))


def test_half_precision_is_widened(tmp_path: Path) -> None:
    written, read = network(0), network(1)
    torch.save(network(0).half().state_dict(), tmp_path / "half.pt")
    load_weights(read, tmp_path / "half.pt")
    assert all(parameter.dtype == torch.float32 for parameter in read.parameters())
    torch.testing.assert_close(read.classify.weight, written.classify.weight, atol=1e-3, rtol=1e-3)
    assert torch.equal(read.classify.weight, written.classify.weight.half().float())


def test_saving_replaces_the_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    for seed in (0, 1):
        save_state(network(seed).state_dict(), tmp_path / "model.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]
    assert_same(network(1), load_weights(network(2), tmp_path / "model.pt"))


def test_failed_saving_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_state(network(0).state_dict(), tmp_path / "model.pt")

    def fail(state, file) -> None:
        file.write(b"half of it")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(InputError, match="disk full"):
        save_state(network(1).state_dict(), tmp_path / "model.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]
    assert_same(network(0), load_weights(network(2), tmp_path / "model.pt"))


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.pt"):
        load_weights(network(), tmp_path / "nowhere.pt")


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"PK\x03\x04 broken archive"])
def test_file_that_is_no_weights_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.pt").write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.pt"):
        load_weights(network(), tmp_path / "bad.pt")


def test_truncated_file_is_named(tmp_path: Path) -> None:
    save_state(network().state_dict(), tmp_path / "short.pt")
    whole = (tmp_path / "short.pt").read_bytes()
    (tmp_path / "short.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"short\.pt"):
        load_weights(network(), tmp_path / "short.pt")


@pytest.mark.parametrize("content", [[1, 2], {"model": 3}, {"epoch": 3}, torch.zeros(3)])
def test_other_content_is_named(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(InputError, match=r"other\.pt holds no weights"):
        load_weights(network(), tmp_path / "other.pt")


class Trap:
    """Its unpickling would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_pickled_code_is_not_run(tmp_path: Path) -> None:
    torch.save({"model": Trap(tmp_path / "trapped")}, tmp_path / "trap.pt")
    with pytest.raises(InputError, match=r"trap\.pt"):
        load_weights(network(), tmp_path / "trap.pt")
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize(
    ("other", "hint"),
    [({"channels": (2, 4, 8)}, "channels"), ({"norm": None}, "norm"), ({"channels": (2, 6)}, r"\(2, 4\)|4, 2|6, 2")],
)
def test_weights_of_another_network_are_refused_and_nothing_changes(tmp_path: Path, other: dict, hint: str) -> None:
    save_state(network(0, **other).state_dict(), tmp_path / "other.pt")
    read = network(1)
    with pytest.raises(InputError, match=hint) as caught:
        load_weights(read, tmp_path / "other.pt")
    assert "other.pt" in str(caught.value)
    assert_same(read, network(1))
