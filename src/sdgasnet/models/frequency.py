"""The frequency side of the neck: DCT low-pass as a projection, and the enhancement it guides."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sdgasnet.models.blocks import Activation, ConvBlock, RepConv
from sdgasnet.models.constants import constant

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
    return torch.tensor(_dct_array(size))


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
    return torch.tensor(_projection_array(size, ratio))


@lru_cache(maxsize=64)
def _dct_array(size: int) -> NDArray[np.float64]:
    k, n = np.arange(size)[:, None], np.arange(size)[None, :]
    basis: NDArray[np.float64] = np.cos(np.pi * (n + 0.5) * k / size) * np.sqrt(2.0 / size)
    basis[0] = np.sqrt(1.0 / size)
    return basis


@lru_cache(maxsize=64)
def _projection_array(size: int, ratio: float) -> NDArray[np.float32]:
    kept = _dct_array(size)[np.arange(size) < max(1.0, ratio * size)]
    return (kept.T @ kept).astype(np.float32)


class LowPass(nn.Module):
    """Separable low-pass ``X_low = P_H X P_W^T`` of maps of any size.

    It computes in float32 whatever autocast says: in half precision the high band, a small difference of two
    large maps, would lose its last digits.

    Args:
        ratio: Share of the frequencies of each axis that passes, in (0, 1].
        learnable: Give the band a smooth edge at a learnable ratio; the filter is then no projection.

    Source:
        docs/method.md section 3, FGPEM step 2 [O]; ratio 0.25 as in HS-FPN, AAAI 2025.

    Examples:
        >>> LowPass(0.25, learnable=False)(torch.ones(1, 2, 6, 10)).allclose(torch.ones(1, 2, 6, 10), atol=1e-5)
        True
    """

    def __init__(self, ratio: float, learnable: bool) -> None:
        super().__init__()
        self.ratio = ratio
        self.learnable_ratio = nn.Parameter(torch.tensor(ratio)) if learnable else None

    def forward(self, x: Tensor) -> Tensor:
        """The low band of ``(B, C, H, W)``, float32."""
        with torch.autocast(x.device.type, enabled=False):
            rows, columns = (self.matrix(int(size), x.device) for size in x.shape[-2:])
            return rows @ x.float() @ columns.transpose(0, 1)

    def matrix(self, size: int, device: torch.device) -> Tensor:
        """``(size, size)`` float32 filter along one axis, symmetric."""
        if self.learnable_ratio is None:
            return constant(_projection_array, size, self.ratio, device=device)
        basis = constant(_dct_array, size, device=device).float()
        position = torch.arange(size, device=device) / size
        band = torch.sigmoid(BAND_STEEPNESS * (self.learnable_ratio - position))
        return basis.transpose(0, 1) @ (band[:, None] * basis)


class FGPEM(nn.Module):
    """Frequency-guided perception enhancement: ``(B, C, H, W) -> (B, D, H, W)``.

    ``X = conv1x1(A)`` is parted into a low and a high band. A spatial gate is computed from the high band,
    a channel gate from the magnitude of the low band; both scale X and are added to it. A
    re-parameterisable 3x3 and a 1x1 convolution follow.

    Source:
        The paper says: high frequencies for boundaries, low ones for texture [P]; the rest is the
        reconstruction of docs/method.md section 3 [O].
    """

    def __init__(
        self, in_channels: int, channels: int, out_channels: int, low_pass: LowPass, activation: Activation
    ) -> None:
        super().__init__()
        self.reduce = ConvBlock(in_channels, channels, activation=activation)
        self.low_pass = low_pass
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
