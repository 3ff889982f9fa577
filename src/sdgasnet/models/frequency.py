"""The frequency side of the neck: DCT low-pass as a projection, and the enhancement it guides."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sdgasnet.models.blocks import ConvBlock, RepConv

BAND_STEEPNESS = 50.0
"""Steepness of the learnable band's edge, per share of the spectrum [O]."""


def dct_matrix(size: int) -> Tensor:
    """Orthonormal DCT-II matrix: row k holds ``a_k cos(pi (n + 1/2) k / size)``.

    Args:
        size: Length of the signal, >= 1.

    Returns:
        ``(size, size)`` float64; ``C @ C.T`` is the identity.

    Source:
        Ahmed, Natarajan, Rao, IEEE Trans. Computers 1974.

    Examples:
        >>> torch.allclose(dct_matrix(5) @ dct_matrix(5).T, torch.eye(5, dtype=torch.float64))
        True
    """
    k = torch.arange(size, dtype=torch.float64)[:, None]
    n = torch.arange(size, dtype=torch.float64)[None, :]
    basis = torch.cos(math.pi * (n + 0.5) * k / size) * math.sqrt(2.0 / size)
    basis[0] = math.sqrt(1.0 / size)
    return basis


def low_pass_projection(size: int, ratio: float) -> Tensor:
    """Matrix that keeps the lowest DCT-II frequencies of a signal.

    Args:
        size: Length of the signal, >= 1.
        ratio: Share of the frequencies kept, in (0, 1]; at least one is kept.

    Returns:
        ``(size, size)`` float32, symmetric and idempotent: ``P @ P == P``.

    Source:
        DCT-II: Ahmed, Natarajan, Rao, IEEE Trans. Computers 1974. That FGPEM's filter is
        this projection is ours [O].

    Examples:
        >>> low_pass_projection(8, 1.0).allclose(torch.eye(8), atol=1e-6)
        True
    """
    basis = dct_matrix(size)
    keep = torch.arange(size) < max(1.0, ratio * size)
    kept = basis[keep]
    return (kept.T @ kept).float()


class LowPass(nn.Module):
    """Separable low-pass ``X_low = P_H X P_W^T`` of maps of any size.

    Args:
        ratio: Share of the frequencies of each axis that passes, in (0, 1].
        learnable: Give the band a smooth edge at a learnable ratio; the filter is then no projection.

    Source:
        METHOD.md section 3, FGPEM step 2 [O]; ratio 0.25 as in HS-FPN, AAAI 2025.
    """

    def __init__(self, ratio: float, learnable: bool) -> None:
        super().__init__()
        self.ratio = ratio
        self.learnable_ratio = nn.Parameter(torch.tensor(ratio)) if learnable else None
        self._constants: dict[tuple[int, torch.device], Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        """Filter ``(B, C, H, W)``; float32 inside whatever autocast says, because half precision loses 1e-2."""
        with torch.autocast(x.device.type, enabled=False):
            rows = self.matrix(x.shape[-2], x.device)
            columns = self.matrix(x.shape[-1], x.device)
            return rows @ x.float() @ columns.transpose(0, 1)

    def matrix(self, size: int, device: torch.device) -> Tensor:
        """``(size, size)`` float32 filter along one axis."""
        key = (size, device)
        if key not in self._constants:
            constant = (
                dct_matrix(size).float()
                if self.learnable_ratio is not None
                else low_pass_projection(size, self.ratio)
            )
            self._constants[key] = constant.to(device)
        constant = self._constants[key]
        if self.learnable_ratio is None:
            return constant
        position = torch.arange(size, device=device) / size
        band = torch.sigmoid(BAND_STEEPNESS * (self.learnable_ratio - position))
        return constant.transpose(0, 1) @ (band[:, None] * constant)


class FGPEM(nn.Module):
    """Frequency-guided perception enhancement: ``(B, C, H, W) -> (B, D, H, W)``.

    ``X = conv1x1(A)`` is parted into a low and a high band. A spatial gate is computed from the high band,
    a channel gate from the magnitude of the low band; both scale X and are added to it. A
    re-parameterisable 3x3 and a 1x1 convolution follow.

    Source:
        The paper says: high frequencies for boundaries, low ones for texture [P]; the rest is the
        reconstruction of METHOD.md section 3 [O].
    """

    def __init__(self, in_channels: int, channels: int, out_channels: int, ratio: float, learnable: bool) -> None:
        super().__init__()
        self.reduce = ConvBlock(in_channels, channels, activation="silu")
        self.low_pass = LowPass(ratio, learnable)
        self.spatial_gate = nn.Conv2d(channels, 1, 1)
        self.channel_gate = nn.Sequential(
            nn.Conv2d(channels, channels // 4, 1), nn.ReLU(), nn.Conv2d(channels // 4, channels, 1)
        )
        self.refine = nn.Sequential(RepConv(channels, channels), ConvBlock(channels, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Reduce, part into bands, gate, refine."""
        x = self.reduce(x)
        low = self.low_pass(x)
        high = x - low
        magnitude = low.abs()
        texture = magnitude.mean((2, 3), keepdim=True) + magnitude.amax((2, 3), keepdim=True)
        gates = torch.sigmoid(self.spatial_gate(high)) + torch.sigmoid(self.channel_gate(texture))
        out: Tensor = self.refine(x + x * gates)
        return out
