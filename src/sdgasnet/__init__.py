"""SD-GASNet: surface-defect detection that is trained on one's own pictures."""

import os

__version__ = "0.1.0"

# Nothing that runs on a factory's pictures reports to anybody. From version 1.29 on ONNX Runtime does, and
# keeps an identity in the home folder, unless this is set before it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
