"""How much arithmetic networks take beside the generator, in whose gradients a budget counts."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from models.interface import FitRequest
from models.networks.generator import build_generator


def count_flops(function: Callable[[], object]) -> int:
    """Count the floating-point operations of the matrix products and convolutions in a call."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        function()
    return counter.get_total_flops()


def compare_with_generator(request: FitRequest, networks: nn.Module, function: Callable[[], object]) -> float:
    """How many times the generator's arithmetic for one sample a call for one sample takes.

    ``networks`` are in evaluation mode during the count.
    """
    generator = build_generator(request.architecture, request.latent_dim, torch.Generator()).eval()
    was_training = networks.training
    networks.eval()
    try:
        counted = count_flops(function)
    finally:
        networks.train(was_training)
    return counted / count_flops(lambda: generator(torch.zeros(1, generator.latent_dim)))
