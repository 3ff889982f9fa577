from __future__ import annotations

import math
from collections.abc import Callable

import torch

from sdgasnet.config.schema import ModelConfig
from sdgasnet.models.head import Head


def levels_of(config: ModelConfig) -> list[torch.Tensor]:
    return [
        torch.randn(2, channels, 96 // stride, 160 // stride)
        for channels, stride in zip(config.neck_channels, (8, 16, 32), strict=True)
    ]


def test_points_are_ordered_by_level_and_row(model_config: Callable[..., ModelConfig]) -> None:
    config = model_config("n")
    head = Head(config, num_classes=4).eval()
    for level in head.levels:
        torch.nn.init.normal_(level.class_predictor.weight)
        torch.nn.init.normal_(level.box_predictor.weight)
    levels = levels_of(config)
    outputs = head(levels)
    assert outputs.class_logits.shape == (2, 240 + 60 + 15, 4)
    assert outputs.box_logits.shape == (2, 315, 4, 17)
    classes, boxes, distances = head.levels[1](levels[1])
    assert distances is None
    row, column = 3, 7
    point = 240 + row * 10 + column
    torch.testing.assert_close(outputs.class_logits[:, point], classes[:, :, row, column])
    torch.testing.assert_close(outputs.box_logits[:, point], boxes[:, :, row, column].reshape(2, 4, 17))


def test_embedding_is_the_mean_of_each_level(model_config: Callable[..., ModelConfig]) -> None:
    config = model_config("n")
    levels = levels_of(config)
    expected = torch.cat([level.flatten(2).mean(2) for level in levels], dim=1)
    torch.testing.assert_close(Head(config, 2)(levels).embedding, expected)


def test_untrained_head_says_the_prior(model_config: Callable[..., ModelConfig]) -> None:
    config = model_config("s")
    outputs = Head(config, num_classes=3)(levels_of(config))
    assert torch.allclose(outputs.class_logits, torch.tensor(-math.log(99.0)))
    assert torch.allclose(outputs.box_logits, torch.tensor(1.0))


def test_a_student_has_two_box_predictors_on_one_branch(model_config: Callable[..., ModelConfig]) -> None:
    config = model_config("n", box_predictors="both")
    head = Head(config, num_classes=2).eval()
    outputs = head(levels_of(config))
    assert outputs.box_logits.shape == (2, 315, 4, 17)
    assert outputs.distances.shape == (2, 315, 4)
    assert torch.allclose(outputs.distances, torch.tensor(1.0))
    head.drop_distribution()
    dropped = head(levels_of(config))
    assert dropped.box_logits is None
    assert not [name for name in head.state_dict() if "box_predictor" in name]


def test_dropping_leaves_a_head_with_one_predictor_alone(model_config: Callable[..., ModelConfig]) -> None:
    head = Head(model_config("n"), num_classes=2)
    head.drop_distribution()
    assert head.levels[0].box_predictor is not None
