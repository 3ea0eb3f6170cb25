"""What a request may choose from."""

from __future__ import annotations

import pytest
import torch

from unetpipe.errors import InputError


@pytest.mark.parametrize("value", ["b", ["b", "a"]])
def test_a_choice_or_the_first_of_several(value: object):
    from unetpipe.label.parameters import choose

    assert choose("key", value, ("a", "b")) == "b"


@pytest.mark.parametrize("value", ["c", "", [], [[]], ["c"], {}, 1, True, None])
def test_what_is_not_known(value: object):
    from unetpipe.label.parameters import choose

    with pytest.raises(InputError, match="is not known; use one of a, b"):
        choose("key", value, ("a", "b"))


def test_the_cpu_where_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch):
    from unetpipe.label.parameters import find_device

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert {find_device(value) for value in (None, "", [], "cpu", ["cpu"], "cuda")} == {"cpu"}
    with pytest.raises(InputError, match="device='cuda:0' is not known; use one of cpu, cuda"):
        find_device("cuda:0")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert [find_device(value) for value in (None, "cpu", "cuda")] == ["mps", "cpu", "mps"]


def test_gpus_by_name_and_by_number(monkeypatch: pytest.MonkeyPatch):
    from unetpipe.label.parameters import find_device

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: "Card")
    assert [find_device(value) for value in (None, "cpu", "cuda:1", "Card:1")] == ["cuda", "cpu", "cuda:1", "cuda:1"]
    for value in ("cuda:2", "$torch.device('cpu')"):
        with pytest.raises(InputError, match="use one of Card:0, Card:1, cpu, cuda, cuda:0, cuda:1"):
            find_device(value)
