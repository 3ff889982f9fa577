"""What a verdict costs beside the network: microseconds for one picture, by detections and kinds of rules.

    .venv/bin/python benchmarks/verdict_speed.py

One thread; the median of several rounds is kept, with the lowest and the highest beside it.
"""

from __future__ import annotations

import argparse
import statistics
import timeit

import numpy as np
from record import load_average, write_record

from sdgasnet.decision.rules import ClassRule, DecisionRules
from sdgasnet.decision.verdict import decide_picture
from sdgasnet.imaging.detections import Detections

CLASS_NAMES = ("open", "short", "mousebite", "spur", "copper", "pin-hole")
SIDE = 640
SIZES = ClassRule(score_threshold=0.3, min_length=0.5, max_count=2)
LEFT, MIDDLE = (
    tuple((float(x), float(y)) for x, y in corners)
    for corners in ([(0, 0), (320, 0), (320, 640), (0, 640)], [(200, 200), (400, 200), (400, 400), (200, 400)])
)
RULES = {
    "thresholds alone": DecisionRules(default=ClassRule(score_threshold=0.3)),
    "sizes and counts": DecisionRules(default=SIZES, millimetres_per_pixel=0.05),
    "sizes, counts, two regions": DecisionRules(
        default=SIZES, millimetres_per_pixel=0.05, regions_of_interest=(LEFT,), ignored_regions=(MIDDLE,)
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--times", type=int, default=1000, help="in one round")
    arguments = parser.parse_args()
    load = load_average()
    rows = []
    for count in (0, 1, 10, 100):
        found = make_detections(count)
        for name, rules in RULES.items():
            seconds = timeit.repeat(
                lambda found=found, rules=rules: decide_picture(found, CLASS_NAMES, rules, 0.4),
                number=arguments.times,
                repeat=arguments.rounds,
            )
            micro = [value / arguments.times * 1e6 for value in seconds]
            values = {"median": statistics.median(micro), "lowest": min(micro), "highest": max(micro)}
            rounded = {key: round(value, 1) for key, value in values.items()}
            rows.append({"detections": count, "rules": name, "microseconds": rounded})
            print(f"{count:4} detections, {name}: {rounded['median']} us", flush=True)
    print(write_record("verdict_speed", rows, ("numpy", "opencv-python-headless"), load))


def make_detections(count: int) -> Detections:
    """Detections that all reach the thresholds, anywhere in the picture."""
    draw = np.random.default_rng(0)
    corners = draw.uniform(0, SIDE - 60, (count, 2))
    boxes = np.concatenate([corners, corners + draw.uniform(10, 60, (count, 2))], axis=1).astype(np.float32)
    scores = np.sort(draw.uniform(0.4, 1, count))[::-1].astype(np.float32)
    return Detections(boxes, scores, draw.integers(0, len(CLASS_NAMES), count), (SIDE, SIDE))


if __name__ == "__main__":
    main()
