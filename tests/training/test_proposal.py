"""Width and tile are proposed from the cells and the machine, and always fit the network."""

from __future__ import annotations

import pytest
import torch

from unetpipe.networks import UNet
from unetpipe.training import Machine, epochs_within, propose, seconds_a_step, this_machine
from unetpipe.training.proposal import proposed_network, step_memory

LAPTOP, SERVER = Machine(0, 2, 16), Machine(80, 32, 256)


@pytest.mark.parametrize("diameter", [3, 11, 12, 28, 60, 110, 400])
@pytest.mark.parametrize("largest_side", [20, 256, 2000])
@pytest.mark.parametrize("machine", [LAPTOP, SERVER])
def test_tile_is_valid_and_spans_the_cells(diameter: float, largest_side: int, machine: Machine):
    proposal = propose(diameter, largest_side, machine)
    network = UNet(channels=[1] * len(proposal.channels))
    assert network.output_size(proposal.tile) == proposal.output
    wanted = min(5 * diameter, largest_side, 388 if machine.gpu_memory else 260)
    assert wanted <= proposal.output < max(wanted, 64) + network.step + 1


def test_the_machine_sets_the_width():
    widths = [
        propose(60, 512, machine).channels[0] for machine in (LAPTOP, Machine(0, 32, 64), Machine(8, 4, 16), SERVER)
    ]
    assert widths == [16, 32, 32, 64]
    assert propose(60, 512, Machine(0, 4, 0.4)).channels[0] == 8


@pytest.mark.parametrize(
    ("machine", "batch", "rate"),
    [(LAPTOP, 1, 0.001), (SERVER, 8, 0.0028), (Machine(11, 8, 32), 4, 0.002), (Machine(2, 8, 32), 1, 0.001)],
)
def test_batch_size_and_learning_rate_go_together(machine: Machine, batch: int, rate: float):
    """On a GPU as many tiles as fit, at a rate that grows by the root of their number."""
    proposal = propose(80, 512, machine)
    assert (proposal.batch_size, proposal.learning_rate) == (batch, rate)
    depth, width = len(proposal.channels) - 1, proposal.channels[0]
    memory = machine.gpu_memory or machine.memory
    assert batch == 1 or step_memory(width, depth, proposal.tile, batch) <= memory / 2


def test_memory_of_the_papers_network_is_of_the_known_order():
    assert 1.5 < step_memory(64, 4, 572) < 6  # it ran on a GPU with 6 GB


def test_seconds_and_epochs():
    proposal = propose(10, 64, Machine(0, 1, 1))
    networks = {proposal.tile: proposed_network(proposal), 66: UNet(1, channels=[4, 8])}
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        for tile, network in networks.items():
            assert 0 < seconds_a_step(network, tile, batch_size=2) < 60
        assert torch.get_num_threads() == threads + 1
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert [epochs_within(seconds) for seconds in (100.0, 0.25, 0.001)] == [10, 24, 60]


def test_this_machine_has_a_core():
    assert this_machine().cores >= 1
    assert "CPU core" in str(this_machine())
