"""Somebody else's training: a script that needs torch alone, with torch's own threads and the way they wait.

``benchmarks.contention`` starts it by its path, so that nothing of this project is imported and no setting of
it applies. It says ``busy`` when it has warmed up, and trains until it is stopped.
"""

import torch
from torch import nn

BATCH, WARM_UP = 100, 3  # samples, steps


def main() -> None:
    """Train a convolutional network on noise, for ever."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 64, 5, 2, 2),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.Conv2d(64, 128, 5, 2, 2),
        nn.BatchNorm2d(128),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(128 * 64, 256),
        nn.ReLU(),
        nn.Linear(256, 10),
    )
    optimiser = torch.optim.Adam(network.parameters())
    images, labels = torch.rand(BATCH, 3, 32, 32), torch.randint(10, (BATCH,))
    step = 0
    while True:
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
        optimiser.step()
        step += 1
        if step == WARM_UP:
            print("busy", flush=True)


if __name__ == "__main__":
    main()
