"""Ranks are processes of their own, forked from one that has trained alone: importing torch takes longest."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from models.langevin.ranks import Ranks

ROOT = Path(__file__).parents[3]
# Trains by as many ranks as each argument says, in a folder of its own, and keeps what each has at its end.
FORKER = """
import dataclasses, os, sys, traceback
from pathlib import Path
import torch
from torch import distributed
from tqdm import tqdm
from models.langevin.dynamics import ChainSettings
from models.langevin.engine import EngineSettings
from models.langevin.ranks import RankLostError, Ranks
from models.networks.architectures import Architecture
from models.networks.generator import Generator, build_network
from models.short_run.algorithm import TrainingPlan, start_training, train
from pipeline.storage.checkpoints import resume_training, save_training

N = 36
PLAN = TrainingPlan(rounds=2, passes=2, adam_steps=1, regression_passes=1, batch_size=18, minibatch=9,
    learning_rate=1e-3, alpha=0.5, sigma=0.3, seed=3, chain=ChainSettings(0.3, 3), solver="exact")
SETTINGS = EngineSettings(compile="never", chunk=4)  # five blocks of a batch, of 4, 4, 4, 4 and 2

def build(seed):
    architecture = Architecture(8, (32,), (8, 4, 4), (4, 1), 2)
    return build_network(lambda: Generator(architecture, 5), torch.Generator().manual_seed(seed))

def work(folder, rank, count, dies):
    if count > 1:
        meeting = f"file://{folder.resolve()}/meeting"
        distributed.init_process_group("gloo", meeting, rank=rank, world_size=count)
    ranks = Ranks(rank, count)
    images = torch.randint(0, 256, (N, 1, 16, 16), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    # Other weights than rank 0's: what it has decides.
    generator = build(rank)
    state = resume_training(Path("training.pt"), generator, PLAN, "key", ranks)
    done = 0 if state is None else state.round
    state = state or start_training(generator, N, PLAN)
    def keep(state):
        if ranks.leads and dies:
            save_training(Path("training.pt"), state, "key")
        if dies and rank == count - 1:
            os.kill(os.getpid(), 9)
    try:
        train(state, images, None, PLAN, SETTINGS, keep, ranks=ranks)
    except RankLostError as error:
        (folder / f"lost-{rank}.txt").write_text(str(error))
        return
    result = {"weights": generator.state_dict(), "latents": state.latents, "done": done,
        "transported": state.transport.transported,
        "records": [dataclasses.asdict(record) for record in state.records]}
    torch.save(result, folder / f"{rank}.pt")

tqdm.monitor_interval = 0  # no thread that forks would have to do without
for argument in sys.argv[1:]:
    count, dies, folder = int(argument[0]), argument.endswith("dies"), Path(argument)
    folder.mkdir()
    if count == 1:
        work(folder, 0, 1, dies)
        continue
    children = []
    for rank in range(count):
        if not (child := os.fork()):
            try:
                work(folder, rank, count, dies)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
"""


def fork_trainings(folder, *arguments):
    """Run trainings one after the other; an argument is a number of ranks, and a name after it."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", FORKER, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0 and "Traceback" not in done.stdout, done.stdout


def read_result(folder, rank):
    return torch.load(folder / f"{rank}.pt", weights_only=True)


def assert_same(one, other):
    assert one["records"] == other["records"]
    for name in ("latents", "transported"):
        assert torch.equal(one[name], other[name]), name
    for name, value in one["weights"].items():
        assert torch.equal(value, other["weights"][name]), name


@pytest.fixture(scope="module")
def trainings(tmp_path_factory):
    """Trainings by one, two and four ranks; one of three that lost a rank, and was taken up by two."""
    folder = tmp_path_factory.mktemp("ranks") / "trainings"
    fork_trainings(folder, "1", "2", "4", "3-dies", "2-goes-on")
    return folder


@pytest.mark.parametrize("count", [2, 4])
def test_weights_latents_and_metrics_are_to_the_bit_those_of_one_rank(trainings, count):
    alone = read_result(trainings / "1", 0)
    assert len(alone["records"]) == 2 and alone["latents"].std() > 0.1
    for rank in range(count):
        assert_same(read_result(trainings / str(count), rank), alone)


def test_a_rank_that_is_killed_ends_the_others_with_what_happened(trainings):
    for rank in range(2):
        line = (trainings / "3-dies" / f"lost-{rank}.txt").read_text()
        assert line == f"rank {rank} of 3: another rank has ended"


def test_another_number_of_ranks_goes_on_from_the_checkpoint_to_the_same_bits(trainings):
    alone = read_result(trainings / "1", 0)
    for rank in range(2):
        result = read_result(trainings / "2-goes-on", rank)
        assert result["done"] == 1  # rank 0 alone has read the checkpoint of the first round
        assert_same(result, alone)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("n_blocks", [1, 2, 5, 12])
def test_each_block_is_one_ranks_in_order_and_none_has_two_more_than_another(count, n_blocks):
    blocks = [slice(start, start + 10) for start in range(0, 10 * n_blocks, 10)]
    shares = [Ranks(rank, count).share(blocks) for rank in range(count)]
    assert [block for share in shares for block in share] == blocks
    lengths = [len(share) for share in shares]
    assert max(lengths) - min(lengths) <= 1
