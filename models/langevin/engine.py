"""Inference over many images: chunks, precision and compilation around the Langevin step."""

from __future__ import annotations

import functools
import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from models.images import to_unit
from models.langevin.dynamics import ChainSettings, langevin_step, run_chain
from models.langevin.energy import compute_energy
from models.langevin.noise import Stream, draw_normal
from models.langevin.ranks import ALONE, Ranks
from models.networks.generator import Generator
from models.networks.lowering import LoweredNetwork, count_flops

log = logging.getLogger(__name__)

# Compiling takes 5-25 s and saves about a fifth of the time: below this many steps it never pays back.
COMPILE_PAYS_BACK = 400_000  # sample-steps
# Measured on two cores with Table 1's generators: best at 500, 100 and 50 samples, larger chunks leave the
# caches, smaller ones the threads idle.
CPU_CHUNK_FLOPS, CPU_CHUNK_MULTIPLE = 16.3e9, 50

Auto = Literal["auto"]
Device = Literal["cpu", "cuda"]
Compilation = Literal["auto", "always", "never"]


@dataclass(frozen=True)
class EngineSettings:
    """How inference is executed; changes rounding and speed, never the chain."""

    device: Device = "cpu"
    precision: torch.dtype = torch.float32
    compile: Compilation = "auto"
    chunk: int | None = None


@dataclass(frozen=True)
class NoiseAddress:
    """Where a run's noise comes from: its numbers depend on this and the sample index alone."""

    seed: int
    stream: Stream
    draw: int


def choose_engine(
    device: Device | Auto,
    precision: Literal["bfloat16", "float32"] | Auto,
    compile: Compilation,
    chunk: int | Auto,
) -> EngineSettings:
    """Resolve ``auto``: CUDA if there is one, bfloat16 where the processor multiplies it natively.

    Raises ValueError for device cuda on a machine without one.
    """
    has_cuda = torch.cuda.is_available()
    if device == "cuda" and not has_cuda:
        raise ValueError("engine.device: found cuda, but torch sees no CUDA device; use cpu or auto")
    chosen: Device = ("cuda" if has_cuda else "cpu") if device == "auto" else device
    if precision == "auto":
        fast = chosen == "cuda" or _has_cpu_bfloat16()
        if not fast:
            log.warning("no native bfloat16 on this processor: inference runs in float32")
        dtype = torch.bfloat16 if fast else torch.float32
    else:
        dtype = getattr(torch, precision)
    return EngineSettings(chosen, dtype, compile, None if chunk == "auto" else int(chunk))


def _has_cpu_bfloat16() -> bool:
    cpu = torch.cpu
    return bool(cpu._is_avx512_bf16_supported() or cpu._is_amx_tile_supported())


class InferenceEngine:
    """Runs chains of one generator over populations of images.

    ``batch_norm`` frozen lowers the generator with its running statistics; batch uses the statistics of
    the chunk it is given. ``planned_steps``: sample-steps that will be run, so that ``auto`` compiles only
    where it pays back. Call ``refresh`` after each change of the generator's weights. ``ranks`` share the
    chains of ``infer``, a chunk at a time; all of them call it alike.
    """

    def __init__(
        self,
        generator: Generator,
        sigma: float,
        settings: EngineSettings,
        planned_steps: int = 0,
        batch_norm: Literal["frozen", "batch"] = "frozen",
        ranks: Ranks = ALONE,
    ):
        self.sigma, self.settings, self.batch_norm = sigma, settings, batch_norm
        self.generator, self.ranks = generator, ranks
        self.network: LoweredNetwork | _BatchStatisticsNetwork
        if batch_norm == "frozen":
            self.network = LoweredNetwork(generator.layers, settings.precision)
        else:
            self.network = _BatchStatisticsNetwork(generator)
        self._dtype = settings.precision if batch_norm == "frozen" else torch.float32
        self._step: Callable[..., Tensor]
        self._step = functools.partial(langevin_step, sigma=sigma, dtype=self._dtype)
        self._chunk = self._choose_chunk()
        self._is_compiled = self._wants_compilation(planned_steps)
        if self._is_compiled:
            self._step = torch.compile(self._step, dynamic=False)

    def _wants_compilation(self, planned_steps: int) -> bool:
        choice = self.settings.compile
        wanted = choice == "always" or (choice == "auto" and planned_steps >= COMPILE_PAYS_BACK)
        if wanted and self.batch_norm == "frozen":
            if self.settings.device == "cuda" or shutil.which("g++") or shutil.which("clang++"):
                return True
            log.warning("no C++ compiler found: inference runs uncompiled, about a fifth slower")
        return False

    def refresh(self) -> None:
        """Take over the generator's present weights and statistics."""
        if isinstance(self.network, LoweredNetwork):
            self.network.refresh()

    @torch.no_grad()
    def infer(
        self,
        z: Tensor,
        images: Tensor,
        visible: Tensor | None,
        indices: Tensor,
        chain: ChainSettings,
        address: NoiseAddress,
        passes_done: int = 0,
    ) -> Tensor:
        """Run ``chain`` from ``z`` for each image; returns the last states (B, d) float32.

        ``z``: (B, d); ``images``: (B, C, H, W), uint8 or float in [0, 1]; ``visible``: (B, 1, H, W) or
        None; ``indices``: (B,) int64, the samples' numbers in the data set, which address their noise.
        """
        drift = torch.tensor(chain.drift(len(z)), device=z.device)
        noise_std = chain.noise_std(passes_done)
        result = torch.empty_like(z)
        blocks = list(self._chunks(len(z)))
        for rows in self.ranks.share(blocks):
            step = functools.partial(
                self._run_step,
                images=to_unit(images[rows]),
                visible=None if visible is None else visible[rows].to(z.dtype),
                drift=drift,
            )
            noise = draw_normal(
                address.seed, address.stream, indices[rows], address.draw, chain.steps, z.shape[1]
            )
            result[rows] = run_chain(step, z[rows], noise * noise_std)
        self.ranks.gather_blocks(result, blocks)
        return result

    def _run_step(
        self, z: Tensor, noise: Tensor, images: Tensor, visible: Tensor | None, drift: Tensor
    ) -> Tensor:
        if not self._is_compiled:
            return self._step(self.network, z, images, visible, noise, drift)
        try:
            return self._step(self.network, z, images, visible, noise, drift)
        except torch._dynamo.exc.TorchDynamoException as error:
            reason = str(error).strip().splitlines()[0]
            log.warning("compilation failed (%s): inference goes on uncompiled", reason)
            self._is_compiled = False
            self._step = functools.partial(langevin_step, sigma=self.sigma, dtype=self._dtype)
            return self._step(self.network, z, images, visible, noise, drift)

    @torch.no_grad()
    def generate(self, z: Tensor) -> Tensor:
        """g(z) as float32 images (B, C, H, W) in [0, 1]."""
        parts = [self.network(z[rows].to(self._dtype)).float() for rows in self._chunks(len(z))]
        return torch.cat(parts)

    @torch.no_grad()
    def evaluate_energy(self, z: Tensor, images: Tensor, visible: Tensor | None = None) -> Tensor:
        """U(z) of Eq. (7) or (16) for each sample, (B,) float32."""
        parts = [
            compute_energy(
                self.network(z[rows].to(self._dtype)),
                to_unit(images[rows]),
                z[rows],
                self.sigma,
                None if visible is None else visible[rows],
            )
            for rows in self._chunks(len(z))
        ]
        return torch.cat(parts)

    def warn_of_idle_ranks(self, batch_size: int) -> None:
        """Say so where a batch has fewer chunks than there are ranks."""
        blocks = len(list(self._chunks(batch_size)))
        if blocks < self.ranks.count:
            log.warning(
                "%d of %d ranks have no chains to run: a batch of %d is %d chunk(s); set engine.chunk to %d, "
                "or less, for any number of ranks alike",
                self.ranks.count - blocks,
                self.ranks.count,
                batch_size,
                blocks,
                -(-batch_size // self.ranks.count),
            )

    def _chunks(self, total: int) -> Iterator[slice]:
        chunk = self._chunk or total
        for start in range(0, total, chunk):
            yield slice(start, min(start + chunk, total))

    def _choose_chunk(self) -> int | None:
        """Samples per chunk; None is all of them, as batch statistics need and a GPU's memory allows."""
        if self.batch_norm == "batch":
            return None
        if self.settings.chunk is None and self.settings.device == "cpu":
            chunk = int(CPU_CHUNK_FLOPS / count_flops(self.generator.layers))
            # Round numbers divide round populations: each further shape would be compiled anew.
            return max(1, chunk // CPU_CHUNK_MULTIPLE) * CPU_CHUNK_MULTIPLE
        return self.settings.chunk


class _BatchStatisticsNetwork:
    """The generator with batch statistics, its running statistics left alone."""

    def __init__(self, generator: Generator):
        self._generator = generator

    def __call__(self, z: Tensor) -> Tensor:
        buffers = {name: buffer.clone() for name, buffer in self._generator.named_buffers()}
        was_training = self._generator.training
        self._generator.train()
        try:
            return torch.func.functional_call(self._generator, buffers, (z,))
        finally:
            self._generator.train(was_training)
