"""A captured training pass learns what single launches learn, and passes everything else through."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from sdgasnet.config.loading import build_recipe
from sdgasnet.losses.assignment import Targets
from sdgasnet.models.network import Network
from sdgasnet.training.graphed import GraphedNetwork
from sdgasnet.training.launch import keep_norms
from sdgasnet.training.objective import DetectionObjective
from sdgasnet.training.optim import build_optimizer

RECIPE = build_recipe({"model": {"preset": "n", "channels": 1, "image_size": [64, 64]}})
TARGETS = Targets(
    labels=torch.tensor([[0], [1], [1]]),
    boxes_xyxy=torch.tensor([[[4.0, 8.0, 40.0, 50.0]], [[1.0, 1.0, 20.0, 12.0]], [[30.0, 2.0, 60.0, 60.0]]]),
    valid=torch.ones(3, 1, dtype=torch.bool),
    crowd=torch.zeros(3, 1, dtype=torch.bool),
)


def build() -> Network:
    torch.manual_seed(0)
    return Network(RECIPE.model, 2)


def pictures(number: int, count: int = 3) -> Tensor:
    return torch.rand(count, 1, 64, 64, generator=torch.Generator().manual_seed(number))


def test_on_a_processor_the_network_is_called_as_it_is() -> None:
    network = build()
    graphed = GraphedNetwork(copy.deepcopy(network))
    assert torch.equal(graphed(pictures(0)).class_logits, network(pictures(0)).class_logits)
    graphed.eval(), network.eval()
    assert torch.equal(graphed(pictures(1, 2)).class_logits, network(pictures(1, 2)).class_logits)


@pytest.mark.gpu
@pytest.mark.parametrize("bf16", [False, True])
def test_replayed_steps_are_those_of_single_launches(bf16: bool) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    # One algorithm for both: otherwise they differ by more than the capture could.
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    networks = [build().cuda(), GraphedNetwork(build().cuda())]
    losses = []
    for network in networks:
        network.train()
        optimizer = build_optimizer(network, RECIPE.training)
        objective = DetectionObjective(RECIPE, lambda total: total.clamp(min=1.0))
        losses.append([])
        for step in range(6):
            if step == 4:
                keep_norms(network)
            with torch.autocast("cuda", torch.bfloat16, enabled=bf16):
                terms = objective(network, pictures(step).cuda(), TARGETS.to(torch.device("cuda")))
            optimizer.zero_grad()
            terms.total.backward()
            optimizer.step()
            losses[-1].append(float(terms.total.detach()))
    assert losses[1] == pytest.approx(losses[0], rel=2e-2 if bf16 else 2e-3)
    assert losses[0][0] != losses[0][1]
    plain, graphed = (network.state_dict() for network in (networks[0], networks[1].network))
    for name, value in plain.items():
        if "running_mean" in name:
            torch.testing.assert_close(graphed[name], value, rtol=5e-2, atol=5e-2)
        if "num_batches" in name:
            assert graphed[name] == value
    # Another shape, and evaluation.
    assert networks[1](pictures(9, 2).cuda()).class_logits.shape[0] == 2
    networks[1].eval()
    assert not networks[1](pictures(9, 1).cuda()).class_logits.isnan().any()
