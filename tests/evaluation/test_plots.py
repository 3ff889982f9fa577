from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sdgasnet.errors import OutputError
from sdgasnet.evaluation.examples import choose_examples
from sdgasnet.evaluation.measure import measure
from sdgasnet.evaluation.plot_folder import write_plots
from sdgasnet.imaging.draw import LONGEST_ON_PAGE
from sdgasnet.imaging.image import read_image

pytest.importorskip("matplotlib")
pytest.importorskip("faster_coco_eval")
HEADER = "epoch,total,classes,boxes,distribution,learning_rate,train_seconds,validate_seconds,AP,AP50,AP75\n"
METRICS = HEADER + "1,4.0,2.0,1.0,1.0,0.001,30,0,,,\n2,3.0,1.5,0.8,0.7,0.001,30,2,0.2,0.4,0.1\n"
NAMES = ("dark", "bright")


def test_every_plot_is_written_and_holds_ink(corners, records, tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(METRICS)
    measurement = measure(corners, records, NAMES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_plots(tmp_path / "plots", measurement, 1, records, tmp_path / "metrics.csv")
    names = {path.name for path in (tmp_path / "plots").iterdir()}
    assert names == {"confusion.png", "curves.png", "labels.png", "losses.png", "predictions.png"}
    for name in names:
        picture = read_image(tmp_path / "plots" / name, 3)
        assert min(picture.shape[:2]) > 400
        assert picture.std() > 10


@pytest.mark.filterwarnings("ignore:Glyph")  # where no font for the second name is installed
@pytest.mark.parametrize("kept", [slice(5, 6), slice(0, 1)], ids=["background alone", "one picture"])
def test_little_to_show_is_no_reason_to_fail(corners, records, tmp_path: Path, kept: slice) -> None:
    (tmp_path / "metrics.csv").write_text("\n".join(METRICS.splitlines()[:2]) + "\n")
    measurement = measure(corners, records[kept], ("cost $1$ a_b", "漏"))
    write_plots(tmp_path / "plots", measurement, 1, records[kept], tmp_path / "metrics.csv")
    assert len(list((tmp_path / "plots").iterdir())) == 5


def test_sizes_that_no_annotation_states_are_looked_up(corners, records, tmp_path: Path) -> None:
    unsized = tuple(replace(record, annotated_size=None) for record in records)
    write_plots(tmp_path, measure(corners, records, NAMES), 1, unsized, None)
    assert (tmp_path / "labels.png").is_file()


def test_a_table_of_something_else_is_refused(corners, records, tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("a,b\n1,2\n")
    with pytest.raises(OutputError, match="lacks"):
        write_plots(tmp_path / "plots", measure(corners, records, NAMES), 1, records, tmp_path / "metrics.csv")
    assert not (tmp_path / "plots").exists()


def test_a_folder_that_cannot_be_made_is_said(corners, records, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match=r"curves\.png can't be written"):
        write_plots(tmp_path / "taken", measure(corners, records, NAMES), 1, records, None)


def test_examples_are_spread_over_the_split_and_kept_small(corners, records) -> None:
    measurement = measure(corners, records, NAMES)
    examples = choose_examples(measurement, 1, 4)
    assert [example.name for example in examples] == ["p0.png", "p3.png", "p6.png", "p9.png"]
    assert len(choose_examples(measurement, 1, 99)) == 10
    assert all(max(example.detected.shape) <= LONGEST_ON_PAGE for example in examples)
    unlabelled = choose_examples(measurement, 1, 10)[5]
    assert not np.array_equal(unlabelled.labelled, unlabelled.detected)
