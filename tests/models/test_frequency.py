from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.fft import dct, dctn, idctn

from sdgasnet.models.frequency import FGPEM, LowPass, dct_matrix, low_pass_projection


@pytest.mark.parametrize("size", [1, 2, 7, 14, 40])
def test_dct_matrix_equals_scipy(size: int) -> None:
    expected = dct(np.eye(size), type=2, norm="ortho", axis=0)
    np.testing.assert_allclose(dct_matrix(size).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize(("height", "width"), [(14, 14), (6, 10), (1, 3)])
def test_low_pass_equals_masked_transform(height: int, width: int) -> None:
    """The projection keeps the top left quarter of both axes' coefficients: transform, mask, transform back."""
    x = torch.randn(2, 3, height, width)
    coefficients = dctn(x.double().numpy(), axes=(2, 3), norm="ortho")
    coefficients[:, :, int(np.ceil(max(1, 0.25 * height))) :] = 0
    coefficients[:, :, :, int(np.ceil(max(1, 0.25 * width))) :] = 0
    expected = idctn(coefficients, axes=(2, 3), norm="ortho")
    np.testing.assert_allclose(LowPass(0.25, learnable=False)(x).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("size", [2, 5, 14, 40])
@pytest.mark.parametrize("ratio", [0.01, 0.25, 0.5])
def test_projection_is_idempotent_and_keeps_the_mean(size: int, ratio: float) -> None:
    projection = low_pass_projection(size, ratio)
    torch.testing.assert_close(projection @ projection, projection, rtol=0, atol=1e-5)
    torch.testing.assert_close(projection, projection.T)
    torch.testing.assert_close(projection.sum(1), torch.ones(size), rtol=0, atol=1e-5)
    assert round(projection.trace().item()) == np.ceil(max(1.0, ratio * size))


def test_learnable_band_starts_near_the_fixed_one_and_learns() -> None:
    x = torch.randn(1, 2, 40, 40)
    fixed, learnable = LowPass(0.25, learnable=False), LowPass(0.25, learnable=True)
    low = learnable(x)
    assert (low - fixed(x)).norm() < 0.5 * x.norm()
    low.square().sum().backward()
    assert learnable.learnable_ratio is not None
    assert learnable.learnable_ratio.grad is not None
    assert learnable.learnable_ratio.grad.item() > 0  # a wider band lets more energy through
    with torch.no_grad():
        learnable.learnable_ratio.fill_(2.0)
    torch.testing.assert_close(learnable(x), x, rtol=0, atol=1e-4)


def test_first_use_under_inference_mode_does_not_harm_training() -> None:
    low_pass = LowPass(0.3, learnable=True)
    with torch.inference_mode():
        low_pass(torch.randn(1, 1, 9, 11))
    x = torch.randn(1, 1, 9, 11, requires_grad=True)
    low_pass(x).sum().backward()
    assert x.grad is not None


def test_low_pass_stays_in_float32_under_autocast() -> None:
    x = torch.randn(1, 2, 14, 14)
    low_pass = LowPass(0.25, learnable=False)
    with torch.autocast("cpu", torch.bfloat16):
        low = low_pass(x)
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, low_pass(x), rtol=0, atol=0)


def test_fgpem_equals_the_method_step_by_step() -> None:
    """``Y = X + X sigmoid(conv(X_high)) + X sigmoid(MLP(mean|X_low| + max|X_low|))``."""
    torch.manual_seed(0)
    block = FGPEM(10, 8, 6, LowPass(0.25, learnable=False), "silu").eval()
    gathered = torch.randn(2, 10, 6, 10)
    x = torch.nn.functional.silu(block.reduce.norm(block.reduce.conv(gathered)))
    low = torch.einsum("hi,bciw,wj->bchj", low_pass_projection(6, 0.25), x, low_pass_projection(10, 0.25))
    pooled = low.abs().flatten(2)
    squeezed = (pooled.mean(2) + pooled.max(2).values)[:, :, None, None]
    channel = torch.sigmoid(block.channel_gate[2](torch.relu(block.channel_gate[0](squeezed))))
    spatial = torch.sigmoid(block.spatial_gate(x - low))
    assert spatial.shape == (2, 1, 6, 10)
    assert channel.shape == (2, 8, 1, 1)
    expected = block.refine(x + x * spatial + x * channel)
    torch.testing.assert_close(block(gathered), expected, rtol=1e-4, atol=1e-5)
