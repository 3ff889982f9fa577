"""Two gloo processes give the loss and the gradients of one process on the same global batch."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import torch

SCRIPT = """
import sys
import torch
from torch import nn
from pathlib import Path
from sdgasnet.cli.main import end_process
from sdgasnet.config.loading import load_recipe
from sdgasnet.data.index import load_dataset
from sdgasnet.models.deploy import normalise
from sdgasnet.models.network import Network
from sdgasnet.training.launch import launch_fabric, leave_processes, normaliser_reduction
from sdgasnet.training.loader import EpochBatches, TrainingSet, build_loader
from sdgasnet.training.objective import DetectionObjective

recipe_file, data, out, processes, batch = sys.argv[1:]
recipe = load_recipe(Path(recipe_file), [f"training.devices={processes}", f"training.batch_size={batch}"])
fabric = launch_fabric(recipe.training)
torch.manual_seed(0)
plain = Network(recipe.model, 6)
network = fabric.setup_module(plain)
network.eval()
dataset = TrainingSet(load_dataset(Path(data)).splits["train"], recipe)
batches = EpochBatches(len(dataset), int(batch), 0, fabric.global_rank, fabric.world_size)
images, targets = next(iter(build_loader(dataset, batches, 0)))
objective = DetectionObjective(recipe, normaliser_reduction(fabric))
terms = objective(network, normalise(images), targets)
fabric.backward(terms.total)
loss = fabric.all_reduce(terms.total.detach(), reduce_op="mean")
if fabric.is_global_zero:
    torch.save({"loss": loss, "gradients": {n: p.grad for n, p in plain.named_parameters()}}, out)
leave_processes()
end_process(0)
"""


def run(tmp_path: Path, surfaces: Path, processes: int, batch: int) -> dict[str, object]:
    from sdgasnet.config.loading import dump_recipe

    from .conftest import tiny_recipe

    script, recipe = tmp_path / "step.py", tmp_path / "recipe.yaml"
    script.write_text(SCRIPT)
    recipe.write_text(dump_recipe(tiny_recipe(precision="fp32", accelerator="cpu")))
    out = tmp_path / f"{processes}.pt"
    arguments = [str(script), str(recipe), str(surfaces), str(out), str(processes), str(batch)]
    command = [sys.executable, *arguments]
    if processes > 1:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        launcher = ["-m", "torch.distributed.run", f"--nproc-per-node={processes}", f"--master-port={port}"]
        command = [sys.executable, *launcher, *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    loaded: dict[str, object] = torch.load(out, weights_only=True)
    return loaded


def test_two_processes_equal_one(tmp_path: Path, surfaces: Path) -> None:
    one, two = run(tmp_path, surfaces, 1, 8), run(tmp_path, surfaces, 2, 4)
    assert torch.allclose(one["loss"], two["loss"], rtol=1e-5)  # type: ignore[arg-type]
    for name, gradient in one["gradients"].items():  # type: ignore[attr-defined]
        other = two["gradients"][name]  # type: ignore[index]
        assert (gradient is None) == (other is None), name
        if gradient is not None:
            assert torch.allclose(gradient, other, atol=1e-5), name
