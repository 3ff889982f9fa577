"""Backbones: each gives four maps at strides 4, 8, 16, 32."""
