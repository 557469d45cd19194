"""Adam on shuffled minibatches, with a look at the loss now and then: the loop that the rivals share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.autograd import set_multithreading_enabled

CHECK_EVERY = 20  # steps between two looks at the loss: each look waits for the device


class DivergenceError(ValueError):
    """Raised when a training or a chain leaves the finite numbers, or the neighbourhood of the prior."""


def shuffle(n: int, batch_size: int, rng: torch.Generator, device: torch.device) -> Iterator[Tensor]:
    """Yield the rows (B,) of shuffled minibatches of about ``batch_size``, pass after pass, for ever."""
    parts = max(1, math.ceil(n / batch_size))
    while True:
        batches = list(torch.randperm(n, generator=rng).to(device).tensor_split(parts))
        yield from reversed(batches)


def descend(optimiser: torch.optim.Optimizer, loss: Tensor, max_norm: float = math.inf) -> None:
    """Take one step of ``optimiser`` on ``loss``, a number, with a gradient no longer than ``max_norm``."""
    optimiser.zero_grad(set_to_none=True)
    with set_multithreading_enabled(False):  # a second thread pool costs a busy machine dearly
        loss.backward()
    if max_norm < math.inf:
        weights = [weight for group in optimiser.param_groups for weight in group["params"]]
        nn.utils.clip_grad_norm_(weights, max_norm)
    optimiser.step()


def take_steps(name: str, steps: int, take_step: Callable[[int], Tensor]) -> None:
    """Call ``take_step`` with 1, 2, ..., ``steps``; each returns its loss.

    Raises DivergenceError, with the method's ``name``, when a loss that is looked at is no longer finite.
    """
    for step in range(1, steps + 1):
        loss = take_step(step)
        if (step % CHECK_EVERY == 0 or step == steps) and not math.isfinite(value := loss.item()):
            raise DivergenceError(
                f"{name} diverged by step {step}: loss {value}; lower the learning rate, or raise sigma"
            )


def minimise(
    name: str,
    optimiser: torch.optim.Optimizer,
    compute_loss: Callable[[Tensor], Tensor],
    batches: Iterator[Tensor],
    steps: int,
) -> None:
    """Take ``steps`` steps on ``compute_loss``, a minibatch's mean loss from its rows; raises as above."""

    def take_step(step: int) -> Tensor:
        loss = compute_loss(next(batches))
        descend(optimiser, loss)
        return loss

    take_steps(name, steps, take_step)
