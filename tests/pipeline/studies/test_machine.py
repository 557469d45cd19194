"""Cores and memory of a job are those that its control groups grant, of either version."""

import os

import psutil
import pytest

from pipeline.studies import machine
from pipeline.studies.machine import count_cores, measure_free_memory

GIGABYTE = 10**9


@pytest.fixture
def group(tmp_path, monkeypatch):
    """A function that makes this process a member of control groups with files of the text given."""
    monkeypatch.setattr(machine, "CGROUPS", tmp_path)
    monkeypatch.setattr(machine, "OWN_CGROUPS", tmp_path / "own")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("", (), {"available": 64 * GIGABYTE}))

    def make(own, **files):
        (tmp_path / "own").write_text(own)
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_DOT_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return make


def test_without_limits_all_that_the_machine_has(group):
    group("0::/\n")
    assert count_cores() == 8 and measure_free_memory() == 64 * GIGABYTE


def test_version_2_limits_of_a_group_above_count(group):
    group(
        "0::/slurm/job_1\n",
        slurm__cpu_DOT_max="250000 100000\n",
        slurm__job_1__cpu_DOT_max="max 100000\n",
        slurm__memory_DOT_max=f"{4 * GIGABYTE}\n",
        slurm__memory_DOT_current=f"{3 * GIGABYTE}\n",
        slurm__memory_DOT_stat=f"anon 5\ninactive_file {GIGABYTE}\n",
        slurm__job_1__memory_DOT_max="max\n",
    )
    assert count_cores() == 3 and measure_free_memory() == 2 * GIGABYTE


def test_version_1_limits_count(group):
    group(
        "5:memory:/job\n1:cpu,cpuacct:/job\n0::/\n",
        **{
            "cpu,cpuacct__job__cpu_DOT_cfs_quota_us": "100000\n",
            "cpu,cpuacct__job__cpu_DOT_cfs_period_us": "100000\n",
            "memory__job__memory_DOT_limit_in_bytes": f"{6 * GIGABYTE}\n",
            "memory__job__memory_DOT_usage_in_bytes": f"{GIGABYTE}\n",
        },
    )
    assert count_cores() == 1 and measure_free_memory() == 5 * GIGABYTE
