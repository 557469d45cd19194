"""The worked example of docs/adding_a_method.md is code that runs."""

import re
from pathlib import Path

import torch

from models.catalogue import Method
from models.interface import FitRequest

PAGE = (Path(__file__).parents[2] / "docs" / "adding_a_method.md").read_text()


def test_the_method_of_the_example_trains_samples_infers_and_scores():
    (code,) = re.findall(r"<!-- example -->\n```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(code.splitlines()) < 60
    (entry,) = re.findall(r"```python\n(\"plain\": .*?)```", PAGE, flags=re.DOTALL)
    assert eval(f"{{{entry}}}", {"Method": Method})["plain"].module == "models.rivals.plain"
    module: dict = {}
    exec(compile(code, "adding_a_method.md", "exec"), module)
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (40, 1, 28, 28), generator=rng).byte()
    fitted = module["fit"](
        FitRequest(
            architecture="mnist",
            latent_dim=5,
            images=images,
            visible=None,
            sigma=0.3,
            seed=1,
            budget=400,
            minibatch=20,
            learning_rate=1e-3,
            precision=torch.float32,
        )
    )
    assert fitted.sample(3).shape == (3, 1, 28, 28)
    assert fitted.generate(fitted.infer(images[:2], None, 0, 0)).shape == (2, 1, 28, 28)
    assert fitted.score(images[:2], 0, 0).isfinite().all()
