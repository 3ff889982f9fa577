from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from sdgasnet.config.loading import dump_recipe
from sdgasnet.config.schema import Recipe
from sdgasnet.evaluation.measure import measure
from sdgasnet.evaluation.report import build_report

pytest.importorskip("matplotlib")
pytest.importorskip("faster_coco_eval")
HEADER = "epoch,total,classes,boxes,distribution,learning_rate,train_seconds,validate_seconds,AP,AP50,AP75\n"
VOID = {"meta", "img", "link", "br"}


class Page(HTMLParser):
    """Checks that tags are closed in order, and collects text and what is referred to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.references += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def build(detector: Any, records: Any, names: tuple[str, ...], run: Path | None = None) -> Page:
    measurement = measure(detector, records, names)
    document = {**measurement.to_json(), "model": "m.pt", "data": "parts <1>", "split": "val"}
    return Page(build_report(measurement, document, detector.spec, run))


def test_page_stands_alone_and_says_what_was_measured(corners, records, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(dump_recipe(Recipe()))
    (tmp_path / "metrics.csv").write_text(HEADER + "1,4,2,1,1,0.1,90,1,0.2,0.4,0.1\n")
    page = build(corners, records, ("dark", "bright"), tmp_path)
    assert page.references
    assert all(reference.startswith("data:image/") for reference in page.references)
    for text in ("parts <1>", "35 labelled objects", "100.0 %", "87.5 %", "preset n", "1.5 minutes", "numpy"):
        assert text in page.text


def test_names_of_classes_are_text_and_not_markup(corners, records) -> None:
    page = build(corners, records, ("<script>alert(1)</script>", "a & $b ${c}"))
    assert "script" not in page.open
    assert "<script>alert(1)</script>" in page.text
    assert "a & $b ${c}" in page.text


def test_what_is_not_known_is_left_out_or_a_dash(corners, records, tmp_path: Path) -> None:
    page = build(corners, [records[5]], ("dark", "bright"), tmp_path)
    assert "How it was trained" not in page.text
    assert "–" in page.text
    assert "None" not in page.text
    assert "nan" not in page.text
