"""Write the networks that ours are compared with as ONNX; run it in the peers' own environment.

    .venv-peers/bin/python benchmarks/peers/export_peers.py

Weights are random: speed doesn't depend on them, and nothing is downloaded. Every network is exported as its own
users deploy it, with float pictures of one fixed size. YOLO11n and YOLOv8n end in decoded boxes and scores of all
points, as ours do; suppression is outside. YOLO26n and D-FINE-N end in end-to-end heads; ``yolo26n-raw`` is
YOLO26n with the other head it was trained with, and suppression outside. YOLOX-nano ends in its raw outputs.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import io
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import onnxslim
import torch
from settle import settle

NETWORKS = Path(__file__).parent / "build"
SIDES = (224, 320, 640)
OPSET = 18
END_TO_END = ("yolo26n",)
TORCHVISION = "0.28.0"
"""Version that the empty stand-in reports: the wheel of that package needs CUDA's libraries beside this torch."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=SIDES)
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS))
    arguments = parser.parse_args()
    NETWORKS.mkdir(exist_ok=True)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    # D-FINE comes first: transformers must not find the stand-in.
    for name, write in PEERS.items():
        if name not in arguments.only:
            continue
        for side in arguments.sides:
            path = NETWORKS / f"{name}-{side}.onnx"
            try:
                torch.manual_seed(0)
                write(name, side, path)
            except ImportError as error:
                print(f"{name}: left out, {error}", file=sys.stderr)
                break
            print(path, flush=True)


def write_dfine(name: str, side: int, path: Path) -> None:
    """D-FINE-N as the paper's configuration describes it: HGNetV2-B0, two levels, three decoder layers."""
    transformers = importlib.import_module("transformers")
    backbone = transformers.HGNetV2Config(
        stem_channels=[3, 16, 16],
        stage_in_channels=[16, 64, 256, 512],
        stage_mid_channels=[16, 32, 64, 128],
        stage_out_channels=[64, 256, 512, 1024],
        stage_num_blocks=[1, 1, 2, 1],
        stage_numb_of_layers=[3, 3, 3, 3],
        use_learnable_affine_block=True,
        hidden_sizes=[64, 256, 512, 1024],
        out_indices=[3, 4],
    )
    config = transformers.DFineConfig(
        backbone_config=backbone,
        encoder_in_channels=[512, 1024],
        feat_strides=[16, 32],
        encoder_hidden_dim=128,
        encoder_ffn_dim=512,
        encode_proj_layers=[1],
        hidden_expansion=0.34,
        depth_mult=0.5,
        d_model=128,
        decoder_in_channels=[128, 128],
        decoder_ffn_dim=512,
        num_feature_levels=2,
        num_queries=min(300, (side // 16) ** 2 + (side // 32) ** 2),
        decoder_layers=3,
        decoder_n_points=[6, 6],
        anchor_image_size=[side, side],
        num_labels=80,
        freeze_backbone_batch_norms=False,
    )
    network = Outputs(transformers.DFineForObjectDetection(config))
    write_onnx(settle(network, side), side, path)


class Outputs(torch.nn.Module):
    """A detector of ``transformers`` with its outputs as a plain tuple."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Class logits and boxes of the queries."""
        said = self.network(pixel_values=pictures)
        return said.logits, said.pred_boxes


def write_yolox(name: str, side: int, path: Path) -> None:
    """YOLOX-nano as its experiment file builds it and its export tool writes it: boxes are decoded outside."""
    with stand_in_torchvision():
        network = importlib.import_module("yolox.exp").get_exp(exp_name=name).get_model()
    network.head.decode_in_inference = False
    write_onnx(settle(network, side), side, path)


def write_ultralytics(name: str, side: int, path: Path) -> None:
    """A YOLO with its package's own exporter; a name ending in ``-raw`` without its end-to-end head."""
    os.environ.update(YOLO_OFFLINE="true", YOLO_AUTOINSTALL="false", YOLO_VERBOSE="false")
    with stand_in_torchvision(), tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        os.environ.setdefault("YOLO_CONFIG_DIR", folder)
        ultralytics = importlib.import_module("ultralytics")
        network = ultralytics.YOLO(f"{name.removesuffix('-raw')}.yaml", task="detect")
        settle(network.model, side)
        nms = False if name in END_TO_END else None
        written = network.export(format="onnx", imgsz=side, opset=OPSET, nms=nms, device="cpu")
        path.write_bytes(Path(written).read_bytes())


@contextlib.contextmanager
def stand_in_torchvision() -> Iterator[None]:
    """An empty ``torchvision`` for packages that ask for its version and don't need it to export."""
    if importlib.util.find_spec("torchvision") is not None:
        yield
        return
    with tempfile.TemporaryDirectory() as name:
        package, facts = Path(name, "torchvision"), Path(name, f"torchvision-{TORCHVISION}.dist-info")
        package.mkdir()
        facts.mkdir()
        (package / "__init__.py").write_text(f'__version__ = "{TORCHVISION}"\n')
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torchvision\nVersion: {TORCHVISION}\n")
        sys.path.insert(0, name)
        try:
            yield
        finally:
            sys.path.remove(name)
            sys.modules.pop("torchvision", None)


def write_onnx(network: torch.nn.Module, side: int, path: Path) -> None:
    """Trace, fold constants, and write."""
    picture = torch.rand(1, 3, side, side)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        traced = Path(folder) / "traced.onnx"
        torch.onnx.export(network, (picture,), traced, dynamo=False, opset_version=OPSET, input_names=["images"])
        onnxslim.slim(str(traced), str(path))


Writer = Callable[[str, int, Path], None]
PEERS: dict[str, Writer] = {
    "dfine-n": write_dfine,
    "yolox-nano": write_yolox,
    "yolo26n": write_ultralytics,
    "yolo26n-raw": write_ultralytics,
    "yolo11n": write_ultralytics,
    "yolov8n": write_ultralytics,
}


if __name__ == "__main__":
    main()
