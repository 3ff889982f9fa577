"""SD-GASNet: surface-defect detection that is trained on one's own pictures."""

__version__ = "0.1.0"
