"""Thresholds chosen by cost, on real boards and real steel: what they cost and let through on parts of their own.

Usage: python experiments/0010-decision/measure.py DATA_ROOT [--out results.json]
DATA_ROOT holds deeppcb and neu-det.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from sdgasnet.config.schema import CalibrationConfig
from sdgasnet.data.index import load_dataset, reorder_classes
from sdgasnet.data.records import ImageRecord
from sdgasnet.data.surfaces.dataset import write_surfaces
from sdgasnet.decision.rules import DecisionRules
from sdgasnet.errors import DataError
from sdgasnet.evaluation.calibration import calibrate_by_rate, hold_out_half
from sdgasnet.evaluation.environment import describe_hardware, describe_versions
from sdgasnet.evaluation.guarantee import (
    bound_rate,
    describe_escapes,
    describe_overkill,
    learn_then_test,
    upper_bounds,
)
from sdgasnet.evaluation.labelled_parts import LabelledParts, is_ng, label_parts
from sdgasnet.evaluation.measure import detect_records
from sdgasnet.evaluation.policies import compare_policies
from sdgasnet.evaluation.revision import describe_commit
from sdgasnet.evaluation.thresholds import Costs, choose_best_f1, choose_thresholds
from sdgasnet.imaging.image import find_images
from sdgasnet.models.session import load_detector
from sdgasnet.runtime.detector import Detector

SETTINGS = CalibrationConfig()
ESCAPE_COST, OVERKILL_COST = 100.0, 1.0
BAD_SHARES = (0.5, 0.05, 0.01)
HALVINGS = 20
DRAWS = 1000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results.json"))
    arguments = parser.parse_args()
    boards, groups = board_parts(arguments.data / "deeppcb")
    steel = steel_parts(arguments.data / "neu-det")
    document: dict[str, Any] = {
        "question": "Do thresholds chosen by cost beat always-OK, always-NG, 0.25, 0.5 and the best F1 elsewhere?",
        "costs": {"escape": ESCAPE_COST, "overkill": OVERKILL_COST},
        "hardware": describe_hardware(),
        "commit": describe_commit(),
        "versions": describe_versions(),
        "deeppcb": {
            "model": "board",
            "bad": "deeppcb val",
            "good": "deeppcb good/val",
            "cuts": [
                cut for members in choices(groups) for cut in judge(boards, np.isin(groups, members), members)
            ],
            "all_parts_at_rate": at_rates(boards),
        },
        "neu-det": {
            "model": "steel",
            "bad": "neu-det val",
            "good": "generated steel (write_surfaces, seed 10), a stand-in: real good steel is not there",
            "cuts": [
                cut
                for seed in range(HALVINGS)
                for cut in judge(steel, ~hold_out_half(steel.bad, None, seed), [f"random half, seed {seed}"])
            ],
            "all_parts_at_rate": at_rates(steel),
        },
        "coverage": {
            "known world": known_world_coverage(),
            "drawn from the parts of deeppcb": drawn_coverage(boards),
            "drawn from the parts of neu-det and generated steel": drawn_coverage(steel),
        },
    }
    for name in ("deeppcb", "neu-det"):
        document[name]["summary"] = summarise(document[name]["cuts"])
    arguments.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def board_parts(root: Path) -> tuple[LabelledParts, NDArray[np.str_]]:
    """Parts, and the board group of each."""
    detector = load_detector(Path("board"))
    index = reorder_classes(load_dataset(root), detector.spec.class_names)
    good = tuple(ImageRecord(path, f"good/{path.name}", ()) for path in find_images(root / "good" / "val"))
    records = (*index.splits["val"], *good)
    groups = [re.findall(r"group\d+", record.path.name)[0] for record in records]
    return detect_parts(detector, records), np.array(groups)


def steel_parts(root: Path) -> LabelledParts:
    detector = load_detector(Path("steel"))
    index = reorder_classes(load_dataset(root), detector.spec.class_names)
    bad = index.splits["val"]
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "steel"
        write_surfaces(made, "steel", {"val": len(bad)}, (200, 200), 10, 1.0, "yolo")
        good = tuple(ImageRecord(path, f"good/{path.name}", ()) for path in find_images(made / "images"))
        return detect_parts(detector, (*bad, *good))


def detect_parts(detector: Detector, records: Sequence[ImageRecord]) -> LabelledParts:
    spec = detector.spec
    detections = detect_records(detector, records)
    return label_parts(records, detections, spec.class_names, DecisionRules(), spec.detection.score_floor)


def choices(groups: NDArray[np.str_]) -> list[tuple[str, ...]]:
    """All ways to choose on some groups and verify on the others."""
    names = sorted(set(groups.tolist()))
    return [chosen for size in range(1, len(names)) for chosen in combinations(names, size)]


def judge(parts: LabelledParts, learning: NDArray[np.bool_], calibrated_on: Sequence[str]) -> list[dict[str, Any]]:
    """Choose on some parts, judge on the others, for every share of bad parts at the line."""
    chosen_on, verified = parts.where(learning), parts.where(~learning)
    results = []
    for bad_share in BAD_SHARES:
        costs = Costs(ESCAPE_COST, OVERKILL_COST, bad_share)
        thresholds = choose_thresholds(chosen_on, costs, SETTINGS.own_threshold_parts)
        ng, bad = is_ng(verified.scores, thresholds), verified.bad
        escape = bound_rate(int((bad & ~ng).sum()), int(bad.sum()), SETTINGS.confidence)
        overkill = bound_rate(int((~bad & ng).sum()), int((~bad).sum()), SETTINGS.confidence)
        policies = compare_policies(verified, costs, thresholds, choose_best_f1(chosen_on))
        results.append(
            {
                "calibrated_on": list(calibrated_on),
                "bad_share": bad_share,
                "parts": {"chosen_on": len(chosen_on), "verified_on": len(verified)},
                "thresholds": dict(zip(parts.class_names, thresholds.tolist(), strict=True)),
                "escape": escape.to_json(),
                "overkill": overkill.to_json(),
                "words": [describe_escapes(escape, SETTINGS.stated_escape_rate), describe_overkill(overkill)],
                "policies": [policy.to_json() for policy in policies],
            }
        )
    return results


def summarise(cuts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of all cuts with one share of bad parts: mean costs, and how often the chosen thresholds are cheapest."""
    results = []
    for bad_share in BAD_SHARES:
        tables = [cut["policies"] for cut in cuts if cut["bad_share"] == bad_share]
        others = [min(table[1:], key=lambda one: one["cost"]) for table in tables]
        results.append(
            {
                "bad_share": bad_share,
                "cuts": len(tables),
                "mean_cost": {
                    re.sub(",.*", "", one["policy"]): float(np.mean([table[place]["cost"] for table in tables]))
                    for place, one in enumerate(tables[0])
                },
                "chosen is cheapest": sum(t[0]["cost"] <= o["cost"] for t, o in zip(tables, others, strict=True)),
                "cheaper than all others, interval over 0": sum(
                    all(one["saved"]["low"] > 0 for one in table[1:]) for table in tables
                ),
                "dearer than the best other, interval below 0": sum(o["saved"]["high"] < 0 for o in others),
            }
        )
    return results


def at_rates(parts: LabelledParts) -> list[dict[str, Any]]:
    """Learn-then-Test on all parts."""
    results = []
    for rate in (0.01, 0.02, 0.05):
        try:
            made = calibrate_by_rate(parts, DecisionRules(), rate, SETTINGS)
        except DataError as error:
            results.append({"rate": rate, "refused": str(error)})
        else:
            words = list(made.guarantee.words)
            results.append({"rate": rate, "threshold": next(iter(made.thresholds.values())), "words": words})
    return results


def known_world_coverage() -> dict[str, Any]:
    """Bad parts show one of five classes, scores are beta-distributed, so that the true escape rate is known."""
    classes, per_class, good, bad = 5, 12, beta(2, 4), beta(4, 2)
    rng, costs, held = np.random.default_rng(0), Costs(1.0, 1.0, 0.5), np.zeros((2, DRAWS), np.bool_)
    number = classes * per_class
    label = np.repeat(np.arange(classes), per_class)
    for draw in range(DRAWS):
        halves = []
        for _ in range(2):
            scores, present = np.full((2 * number, classes), -1.0), np.zeros((2 * number, classes), np.bool_)
            present[np.arange(number), label] = True
            scores[np.arange(number), label] = bad.rvs(number, random_state=rng)
            scores[np.arange(number, 2 * number), label] = good.rvs(number, random_state=rng)
            names, ones = tuple(map(str, range(2 * number))), np.ones(2 * number)
            halves.append(LabelledParts(names, tuple("abcde"), scores, present, ones, ones.astype(int), 0.001))
        thresholds = choose_thresholds(halves[0], costs, own_threshold_parts=1)
        truth = bad.cdf(thresholds).mean()
        held[:, draw] = [truth <= escape_bound(half, thresholds) for half in halves]
    rate, scores = 0.05, beta(6, 2).rvs((DRAWS, 200), random_state=rng)
    learnt = [learn_then_test(row, rate, SETTINGS.confidence, 0.001) for row in scores]
    kept = [value is None or beta(6, 2).cdf(value) <= rate for value in learnt]
    return shares(held, np.array(kept), DRAWS)


def drawn_coverage(parts: LabelledParts) -> dict[str, Any]:
    """The measured parts as the world: halves are drawn from them with replacement."""
    rng, costs = np.random.default_rng(0), Costs(ESCAPE_COST, OVERKILL_COST, 0.05)
    places, rate = [np.flatnonzero(parts.bad), np.flatnonzero(~parts.bad)], 0.05
    held, kept = np.zeros((2, DRAWS), np.bool_), np.zeros(DRAWS, np.bool_)
    for draw in range(DRAWS):
        halves = [take(parts, np.concatenate([rng.choice(kind, len(kind) // 2) for kind in places])) for _ in "ab"]
        thresholds = choose_thresholds(halves[0], costs, SETTINGS.own_threshold_parts)
        held[:, draw] = [escape_rate(parts, thresholds) <= escape_bound(half, thresholds) for half in halves]
        bad = halves[0].where(halves[0].bad)
        learnt = learn_then_test(bad.best_scores, rate, SETTINGS.confidence, parts.floor)
        kept[draw] = learnt is None or escape_rate(parts, np.full(len(parts.class_names), learnt)) <= rate
    return shares(held, kept, DRAWS)


def take(parts: LabelledParts, places: NDArray[np.intp]) -> LabelledParts:
    names = tuple(f"{parts.names[place]} {number}" for number, place in enumerate(places.tolist()))
    arrays = (parts.scores, parts.present, parts.largest, parts.pictures)
    scores, present, largest, pictures = (array[places] for array in arrays)
    return LabelledParts(names, parts.class_names, scores, present, largest, pictures, parts.floor)


def escape_rate(parts: LabelledParts, thresholds: NDArray[np.float64]) -> float:
    return float((~is_ng(parts.scores[parts.bad], thresholds)).mean())


def escape_bound(parts: LabelledParts, thresholds: NDArray[np.float64]) -> float:
    missed = int((~is_ng(parts.scores[parts.bad], thresholds)).sum())
    return float(upper_bounds(missed, int(parts.bad.sum()), SETTINGS.confidence))


def shares(held: NDArray[np.bool_], kept: NDArray[np.bool_], draws: int) -> dict[str, Any]:
    return {
        "draws": draws,
        "stated_confidence": SETTINGS.confidence,
        "bound from the parts that chose holds": float(held[0].mean()),
        "bound from held-out parts holds": float(held[1].mean()),
        "rate of learn then test is kept": float(kept.mean()),
    }


if __name__ == "__main__":
    main()
