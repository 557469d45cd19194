"""Adam on shuffled minibatches, with a look at the loss now and then: the loop that the rivals share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

ADAM_BETAS = (0.9, 0.999)
CHECK_EVERY = 20  # steps between two looks at the loss: each look waits for the device


def shuffle(n: int, batch_size: int, rng: torch.Generator, device: torch.device) -> Iterator[Tensor]:
    """Yield the rows (B,) of shuffled minibatches of about ``batch_size``, pass after pass, for ever."""
    parts = max(1, math.ceil(n / batch_size))
    while True:
        batches = list(torch.randperm(n, generator=rng).to(device).tensor_split(parts))
        yield from reversed(batches)


def minimise(
    name: str,
    weights: Iterable[Tensor],
    compute_loss: Callable[[Tensor], Tensor],
    batches: Iterator[Tensor],
    steps: int,
    learning_rate: float,
    betas: tuple[float, float] = ADAM_BETAS,
    on_step: Callable[[int, float], object] = lambda step, loss: None,
) -> None:
    """Take ``steps`` Adam steps on ``compute_loss``, a minibatch's mean loss from its rows.

    ``on_step`` is told a step and its loss now and then. Raises ValueError, with the method's ``name``, when
    the loss is no longer finite.
    """
    optimiser = torch.optim.Adam(list(weights), lr=learning_rate, betas=betas, fused=True)
    for step in range(1, steps + 1):
        loss = compute_loss(next(batches))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if step % CHECK_EVERY == 0 or step == steps:
            on_step(step, check_loss(name, step, loss))


def check_loss(name: str, step: int, loss: Tensor) -> float:
    """The loss as a number; raises ValueError where it is not finite."""
    value = loss.item()
    if not math.isfinite(value):
        raise ValueError(
            f"{name} diverged by step {step}: loss {value}; lower the learning rate, or raise sigma"
        )
    return value
