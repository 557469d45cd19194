"""The five things that a trained model does with images: sample, encode, reconstruct, inpaint, score.

All by the short run of Eq. (8) with the settings stored with the model, from the prior, with frozen BatchNorm
statistics and in float32. Image number ``i`` has the noise of (seed, i): who else is in the batch changes
nothing but rounding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from models.images import to_unit
from models.langevin.dynamics import ChainSettings
from models.langevin.engine import Device, EngineSettings, InferenceEngine, NoiseAddress
from models.langevin.noise import Stream, draw_normal
from models.short_run.scores import SCORES
from pipeline.evaluation.reconstruction import recover_images
from pipeline.inference.checks import (
    MAX_IMAGES,
    MAX_SEED,
    MAX_STEPS,
    check_images,
    check_number,
    check_task,
    check_visible,
)
from pipeline.inference.portable import InferenceSettings, PortableModel


class ModelInUse:
    """A trained model, ready to work on images of its shape.

    Images are (B, C, H, W), uint8 or float in [0, 1], as tensors, arrays or lists, at most 1,000 at once.
    ``seed`` fixes the noise, 0 to 2^32 - 1; ``steps`` is K, None for the stored one; ``first`` is the number
    of the first image, so that a long list can be worked on in parts. What is wrong raises ValueError with
    one line.
    """

    def __init__(self, model: PortableModel, device: Device = "cpu"):
        self.settings: InferenceSettings = model.settings
        self.device = device
        settings = EngineSettings(device, torch.float32, compile="never")
        self._engine = InferenceEngine(model.build_generator().to(device), model.settings.sigma, settings)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of its images."""
        return self.settings.image_shape

    def draw_latents(self, n: int, seed: int = 0, first: int = 0) -> Tensor:
        """Draw z from the prior, ``n`` from 1 to 1,000: (n, d)."""
        check_number("n", n, 1, MAX_IMAGES)
        return self._draw(Stream.GENERATION, n, seed, first)

    def sample(self, n: int, seed: int = 0, first: int = 0) -> Tensor:
        """Draw ``n`` images from the model: (n, C, H, W) in [0, 1]."""
        return self.generate(self.draw_latents(n, seed, first))

    def generate(self, z: Tensor) -> Tensor:
        """The images g(z) of latent vectors (B, d): (B, C, H, W) in [0, 1]."""
        return self._engine.generate(z.to(self.device)).cpu()

    def encode(self, images: Any, seed: int = 0, steps: int | None = None, first: int = 0) -> Tensor:
        """Infer a latent vector for each image: (B, d)."""
        checked = check_images(images, self.image_shape)
        chain = self.settings.build_chain(self._count_steps(steps, self.settings.encode_steps))
        return self._infer(checked, None, chain, seed, first).cpu()

    def reconstruct(self, images: Any, seed: int = 0, steps: int | None = None, first: int = 0) -> Tensor:
        """Infer z for each image and return g(z): (B, C, H, W) in [0, 1]."""
        return self.generate(self.encode(images, seed, steps, first))

    def inpaint(
        self, images: Any, visible: Any, seed: int = 0, steps: int | None = None, first: int = 0
    ) -> Tensor:
        """Keep the visible pixels and fill in the others from g(z), z inferred from the visible ones alone.

        ``visible``: (B, 1, H, W) or (H, W), 1 where a pixel is seen. Returns (B, C, H, W) in [0, 1].
        """
        checked = check_images(images, self.image_shape)
        mask = check_visible(visible, checked)
        chain = self.settings.build_chain(self._count_steps(steps, self.settings.encode_steps))
        z = self._infer(checked, mask, chain, seed, first)
        return recover_images(self.generate(z), to_unit(checked), mask)

    def score(self, images: Any, seed: int = 0, steps: int | None = None, first: int = 0) -> Tensor:
        """Say how anomalous each image is, larger is more: (B,). Scores of one model alone compare."""
        checked = check_images(images, self.image_shape)
        chain = self.settings.build_scoring_chain(self._count_steps(steps, self.settings.score_steps))
        z = self._infer(checked, None, chain, seed, first)
        on_device = checked.to(self.device)
        if self.settings.score == "joint":
            return self._engine.evaluate_energy(z, on_device).cpu()
        score = SCORES[self.settings.score]
        generator = self._engine.generator.requires_grad_(False)
        return score(generator, z, to_unit(on_device), self.settings.sigma).cpu()

    def run(
        self,
        task: str,
        images: Any = None,
        visible: Any = None,
        n: int = 16,
        seed: int = 0,
        steps: int | None = None,
    ) -> Tensor:
        """Do one of the five tasks by its name."""
        if check_task(task) == "sample":
            return self.sample(n, seed)
        if images is None:
            shape = ", ".join(map(str, self.image_shape))
            raise ValueError(f"images: none found; {task} needs (N, {shape})")
        if task == "inpaint":
            return self.inpaint(images, visible, seed, steps)
        if visible is not None:
            raise ValueError(f"visible: a mask found; should be absent, for {task} has no use of it")
        work = {"encode": self.encode, "reconstruct": self.reconstruct, "score": self.score}[task]
        return work(images, seed, steps)

    def _infer(
        self, images: Tensor, visible: Tensor | None, chain: ChainSettings, seed: int, first: int
    ) -> Tensor:
        z = self._draw(Stream.TEST_INIT, len(images), seed, first)
        indices = torch.arange(first, first + len(images), device=self.device)
        address = NoiseAddress(seed, Stream.TEST_CHAIN, 0)
        mask = None if visible is None else visible.to(self.device)
        return self._engine.infer(z, images.to(self.device), mask, indices, chain, address)

    def _draw(self, stream: Stream, n: int, seed: int, first: int) -> Tensor:
        check_number("seed", seed, 0, MAX_SEED)
        indices = torch.arange(first, first + n, device=self.device)
        return draw_normal(seed, stream, indices, 0, 1, self.settings.latent_dim)[0]

    def _count_steps(self, steps: int | None, stored: int) -> int:
        return stored if steps is None else check_number("steps", steps, 1, MAX_STEPS)
