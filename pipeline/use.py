"""A trained model in use, from Python and as a command: sample, encode, reconstruct, inpaint, score.

In Python: ``open_model("artifacts/models/complete")`` and the methods of what it returns.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from models.images import to_unit
from models.langevin.engine import choose_engine
from pipeline.data.own_images import read_image, read_mask, read_size
from pipeline.inference.checks import MAX_SEED, MAX_STEPS, TASKS, check_number
from pipeline.inference.image_tasks import ModelInUse
from pipeline.inference.portable import PortableModel, read_model, write_model
from pipeline.inference.written import MOST_SHOWN, write_grid, write_numbers, write_picture
from pipeline.stage import INTERRUPTED, describe_error, set_up_logging
from pipeline.tracking.logged_model_files import fetch_folder, is_address, read_logged_model

AT_ONCE = 100  # images between two steps of the progress bar
MAX_SAMPLES = 100_000
GREY = 0.5  # of pixels that a mask hides
EPILOG = """
What is written to --output: numbers.csv, a row an image; grid.png, the first 256 images, what went in above
what came out, or an image's score above it; images/, what came out of sample, reconstruct and inpaint, an
image a file.

Images may be of any size. They are converted exactly as training images were: turned upright, laid over
white where transparent, made grey or RGB, cropped to the middle square, resized (bilinear; for emoji bicubic;
CelebA's 178 x 218 files are cropped to 140 x 140 first) and brought to [0, 1] by 255. An image of the model's
own size keeps its bytes. Digits are light on dark.

z is inferred by the short run of Eq. (8) from the prior with the K, s and sigma stored with the model. The
noise of image i is that of (--seed, i) alone.
"""


@dataclass(frozen=True)
class Work:
    """What was asked for on the command line."""

    task: str
    images: tuple[Path, ...]
    n: int
    seed: int
    steps: int | None
    mask: Path | None


def open_model(source: str | Path, params_file: str | Path | None = None, device: str = "cpu") -> ModelInUse:
    """Open a trained model: one file, a training's artifacts/models/<task>, or a model in MLflow.

    ``source``: a path, or an address such as ``models:/mnist5k-embedded-complete@champion``, of which the
    folder an MLflow model was downloaded to is a path as well. ``params_file``: the params.yaml that trained
    a model.pt which lies elsewhere than in its project. ``device``: cpu, cuda or auto. Raises ValueError with
    one line.
    """
    chosen = choose_engine(device, "float32", "never", "auto").device  # type: ignore[arg-type]
    return ModelInUse(load_portable(source, params_file), chosen)


def load_portable(source: str | Path, params_file: str | Path | None = None) -> PortableModel:
    """Read what ``open_model`` opens."""
    file = None if params_file is None else Path(params_file)
    if is_address(str(source)):
        return read_logged_model(fetch_folder(str(source)))
    path = Path(source)
    if (path / "MLmodel").exists():
        return read_logged_model(path)
    return read_model(path / "model.pt" if path.is_dir() else path, file)


def run_work(model: ModelInUse, work: Work, output: Path) -> Path:
    """Do the work and write its files below ``output``; returns the grid's path."""
    rows: list[dict[str, object]] = []
    shown: dict[str, list[Tensor]] = {}  # by the name of a row of the grid
    total = work.n if work.task == "sample" else len(work.images)
    with tqdm(total=total, unit="image", disable=None) as progress:
        for first in range(0, total, AT_ONCE):
            count = min(AT_ONCE, total - first)
            numbers, pictures, made = _do_part(model, work, first, count)
            for offset, one in enumerate(made):
                name = f"{first + offset:05d}"
                if work.images:
                    name += f"_{work.images[first + offset].stem}"
                write_picture(output / "images" / f"{name}.png", one)
            rows += numbers
            if first < MOST_SHOWN:
                for name, picture in pictures.items():
                    shown.setdefault(name, []).append(picture)
            progress.update(count)
    write_numbers(output / "numbers.csv", rows)
    captions = [f"{row['score']:.5g}" for row in rows] if work.task == "score" else None
    write_grid(output / "grid.png", {name: torch.cat(parts) for name, parts in shown.items()}, captions)
    return output / "grid.png"


# Numbers, the grid's rows by name, images made.
Part = tuple[list[dict[str, object]], dict[str, Tensor], Iterable[Tensor]]


def _do_part(model: ModelInUse, work: Work, first: int, count: int) -> Part:
    """Work on ``count`` images from number ``first`` on."""
    if work.task == "sample":
        z = model.draw_latents(count, work.seed, first)
        made = model.generate(z)
        return [{"image": first + i, **_name_latent(one)} for i, one in enumerate(z)], {"": made}, made
    shape, dataset = model.image_shape, model.settings.dataset
    files = work.images[first : first + count]
    given = torch.from_numpy(np.stack([read_image(path, shape, dataset) for path in files]))
    images, names = to_unit(given), [str(path) for path in files]
    if work.task == "score":
        scores = model.score(given, work.seed, work.steps, first).tolist()
        return [{"image": n, "score": s} for n, s in zip(names, scores, strict=True)], {"": images}, ()
    if work.task == "inpaint":
        assert work.mask is not None
        masks = np.stack([read_mask(work.mask, read_size(path), shape, dataset) for path in files])
        seen = torch.from_numpy(masks)
        made = model.inpaint(given, seen, work.seed, work.steps, first)
        hidden = 1 - seen.float().mean((1, 2, 3))
        shares = [{"image": n, "hidden_share": h} for n, h in zip(names, hidden.tolist(), strict=True)]
        return shares, {"in": torch.where(seen.bool(), images, GREY), "out": made}, made
    z = model.encode(given, work.seed, work.steps, first)
    made = model.generate(z)
    if work.task == "encode":
        return (
            [{"image": n, **_name_latent(one)} for n, one in zip(names, z, strict=True)],
            {"in": images, "out": made},
            (),
        )
    errors = (made - images).square().mean((1, 2, 3)).tolist()
    return (
        [{"image": n, "mse": e} for n, e in zip(names, errors, strict=True)],
        {"in": images, "out": made},
        made,
    )


def _name_latent(z: Tensor) -> dict[str, float]:
    return {f"z{axis}": value for axis, value in enumerate(z.tolist())}


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line; a line and status 2 for what it does not know."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.use",
        description="Use a trained model on your own images, or pack it into one file for someone else.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("task", choices=[*TASKS, "pack"], help="what to do; pack writes one file, --output")
    parser.add_argument("images", nargs="*", type=Path, help="PNG and JPEG files; none for sample and pack")
    parser.add_argument(
        "--model",
        required=True,
        help="a file that pack wrote, artifacts/models/complete, or an MLflow address: "
        "models:/mnist5k-embedded-complete@champion",
    )
    parser.add_argument("--output", required=True, type=Path, help="a folder for the results; pack: a file")
    parser.add_argument(
        "--mask", type=Path, help="inpaint: an image of the same size, black where to fill in"
    )
    parser.add_argument("--n", type=int, default=64, help="sample: how many images (64)")
    parser.add_argument("--seed", type=int, default=0, help="of the noise (0)")
    parser.add_argument("--steps", type=int, help="K of the short run, in place of the stored one")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="cpu")
    parser.add_argument("--params", type=Path, help="the params.yaml that trained a model.pt taken elsewhere")
    return parser.parse_intermixed_args(arguments)


def check_arguments(given: argparse.Namespace) -> Work:
    """Bring the command line into the form of the work; raises ValueError before anything is loaded."""
    needs_images = given.task not in ("sample", "pack")
    if needs_images and not given.images:
        raise ValueError(f"IMAGES: none found; {given.task} needs PNG or JPEG files")
    if not needs_images and given.images:
        raise ValueError(f"IMAGES: {given.images[0]} found; {given.task} takes none")
    if (given.task == "inpaint") != (given.mask is not None):
        found, right = (given.mask, "absent") if given.mask else ("none", "given")
        raise ValueError(f"--mask: {found} found; should be {right} for {given.task}")
    for path in [*given.images, *([given.mask] if given.mask else [])]:
        if not path.is_file():
            raise ValueError(f"{path}: {'a folder' if path.is_dir() else 'nothing'} found; should be a file")
    check_number("--n", given.n, 1, MAX_SAMPLES)
    check_number("--seed", given.seed, 0, MAX_SEED)
    if given.steps is not None:
        check_number("--steps", given.steps, 1, MAX_STEPS)
    return Work(given.task, tuple(given.images), given.n, given.seed, given.steps, given.mask)


def list_said(work: Work, model: ModelInUse, grid: Path) -> Iterator[str]:
    """What the command says at its end."""
    settings = model.settings
    steps = work.steps or (settings.score_steps if work.task == "score" else settings.encode_steps)
    about = f"{settings.dataset} ({settings.task}), sigma {settings.sigma:g}, s {settings.step_size:g}"
    yield f"{work.task}: {about}" + ("" if work.task == "sample" else f", K {steps}") + f", seed {work.seed}"
    yield f"{work.task}: {grid} and {grid.with_name('numbers.csv')}"


def main() -> None:
    """Run the command."""
    given = parse_arguments()
    set_up_logging(given.task)
    logging.getLogger("pipeline").setLevel(logging.WARNING)
    try:
        work = check_arguments(given)
        if given.task == "pack":
            write_model(given.output, load_portable(given.model, given.params))
            print(f"pack: {given.output} ({given.output.stat().st_size / 2**20:.0f} MiB)")
            return
        model = open_model(given.model, given.params, given.device)
        grid = run_work(model, work, given.output)
        print("\n".join(list_said(work, model, grid)))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except (ValueError, OSError) as error:
        sys.exit(f"{given.task}: {describe_error(error)}")


if __name__ == "__main__":
    main()
