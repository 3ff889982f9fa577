"""The whole network: backbone, neck, head."""

from __future__ import annotations

from torch import Tensor, nn

from sdgasnet.config.schema import ModelConfig
from sdgasnet.errors import ModelError
from sdgasnet.models.backbones import build_backbone
from sdgasnet.models.head import Head, HeadOutputs
from sdgasnet.models.neck import AESFPN


class Network(nn.Module):
    """SD-GASNet as a recipe describes it.

    Args:
        config: The recipe's ``model`` section.
        num_classes: K, >= 1.

    Examples:
        >>> import torch
        >>> from sdgasnet.config.loading import build_recipe
        >>> network = Network(build_recipe({"model": {"preset": "n"}}).model, num_classes=6).eval()
        >>> network(torch.zeros(1, 3, 96, 160)).class_logits.shape
        torch.Size([1, 315, 6])
    """

    def __init__(self, config: ModelConfig, num_classes: int) -> None:
        super().__init__()
        self.config = config
        self.num_classes = num_classes
        self.backbone = build_backbone(config)
        self.neck = AESFPN(config, config.backbone_widths)
        self.head = Head(config, num_classes)
        initialise_linears(self.backbone)

    def forward(self, images: Tensor) -> HeadOutputs:
        """Outputs at all points of a batch.

        Args:
            images: ``(B, 3|1, H, W)`` in [0, 1], H and W multiples of 32.

        Raises:
            ModelError: Another number of channels, or sides that are no multiples of 32.
        """
        channels, height, width = images.shape[1:]
        if channels != self.config.channels or height % 32 or width % 32:
            raise ModelError(
                f"The network takes (B, {self.config.channels}, H, W) with H and W multiples of 32; "
                f"found {tuple(images.shape)}. Lay pictures on a canvas of model.image_size first."
            )
        outputs: HeadOutputs = self.head(self.neck(self.backbone(images)))
        return outputs


def initialise_linears(module: nn.Module) -> None:
    """Truncated normal of 0.02 for linear layers: docs/method.md section 1a [A]."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.trunc_normal_(part.weight, std=0.02)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
