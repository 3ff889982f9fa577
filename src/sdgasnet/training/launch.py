"""Device, precision and processes of a training, through Lightning Fabric."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from collections.abc import Callable

import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from torch import Tensor, nn

from sdgasnet.config.schema import TrainingConfig
from sdgasnet.errors import TrainingError

MALLOC_TRIM_THRESHOLD, MALLOC_TOP_PAD, MALLOC_MMAP_THRESHOLD = -1, -2, -3
"""Names of glibc's ``mallopt``."""
LARGEST_INT = 2**31 - 1
MEMORY_TAKEN_AT_ONCE = 2**28


def launch_fabric(config: TrainingConfig) -> Fabric:
    """Start Fabric as the recipe says; under torchrun each process calls this.

    Args:
        config: Accelerator, devices, nodes, precision, threads.

    Returns:
        A launched Fabric.

    Raises:
        TrainingError: A CUDA device is asked for and there is none.
    """
    cuda = torch.cuda.is_available() if config.accelerator == "auto" else config.accelerator == "cuda"
    if cuda and torch.cuda.device_count() < config.devices:
        raise TrainingError(
            f"training.devices asks for {config.devices} CUDA devices; found {torch.cuda.device_count()}. "
            "Set training.accelerator=cpu or training.devices."
        )
    if config.threads:
        torch.set_num_threads(config.threads)
    if not cuda:
        keep_freed_memory()
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    several = config.devices * config.nodes > 1
    fabric = Fabric(
        accelerator="cuda" if cuda else "cpu",
        devices=config.devices,
        num_nodes=config.nodes,
        strategy="ddp" if several else "auto",
        precision="bf16-mixed" if uses_bf16(config, cuda) else "32-true",
    )
    fabric.launch()
    return fabric


def keep_freed_memory() -> bool:
    """Let this process keep the memory it frees, for the maps of the next step.

    glibc gives large blocks back to the system and gets them again, page by page, at every step.

    Returns:
        Whether it is done: with glibc, so on most Linux systems.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    wanted = (
        (MALLOC_MMAP_THRESHOLD, LARGEST_INT),
        (MALLOC_TRIM_THRESHOLD, LARGEST_INT),
        (MALLOC_TOP_PAD, MEMORY_TAKEN_AT_ONCE),
    )
    return mallopt is not None and all(mallopt(name, value) == 1 for name, value in wanted)


def leave_processes() -> None:
    """Take leave of the other processes; one that ends without it may be aborted by its own sockets' thread."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def is_first_process() -> bool:
    """Whether this is the process that writes; known from the launcher before Fabric starts."""
    rank = os.environ.get("RANK")
    if rank is not None:
        return rank == "0"
    return os.environ.get("LOCAL_RANK", "0") == "0" and os.environ.get("NODE_RANK", "0") == "0"


def uses_bf16(config: TrainingConfig, cuda: bool) -> bool:
    """Whether bf16 autocast is on: asked for, or left to the hardware and in it."""
    if config.precision != "auto":
        return config.precision == "bf16"
    if cuda:
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def normaliser_reduction(fabric: Fabric) -> Callable[[Tensor], Tensor]:
    """From a process's sum of target scores to ``max(global sum, 1) / number of processes``."""

    def reduce(total: Tensor) -> Tensor:
        if fabric.world_size > 1:
            reduced = fabric.all_reduce(total, reduce_op="sum")
            assert isinstance(reduced, Tensor)
            total = reduced
        return total.clamp(min=1.0) / fabric.world_size

    return reduce


def keep_norms(network: nn.Module) -> None:
    """Normalise by the running statistics and leave them as they are, until training mode is set anew."""
    for part in network.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.eval()


def synchronise_norms(network: nn.Module, fabric: Fabric) -> nn.Module:
    """Batch statistics over all GPUs; on processors they stay local."""
    if fabric.world_size > 1 and fabric.device.type == "cuda":
        synchronised: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return synchronised
    return network
