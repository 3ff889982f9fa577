from __future__ import annotations

import numpy as np

from sdgasnet.decision.parts import PartTally, PartVerdict
from sdgasnet.decision.rules import DecisionRules
from sdgasnet.decision.verdict import UNREADABLE, Verdict

OK = Verdict(False, (), np.zeros(0, np.bool_))
NG = Verdict(True, ("pit 0.71 >= 0.42",), np.ones(1, np.bool_))


def test_a_part_is_ng_if_one_of_its_pictures_is_in_any_order() -> None:
    tally = PartTally(DecisionRules(part_pattern=r"^(\w+?)_"))
    for picture, verdict in (("a_1", OK), ("b_1", OK), ("c_1", NG), ("a_2", NG), ("c_2", OK), ("b_2", OK)):
        tally.add(f"line/{picture}.png", verdict)
    assert list(tally) == [
        PartVerdict("a", "NG", 2, ("line/a_2.png: pit 0.71 >= 0.42",)),
        PartVerdict("b", "OK", 2, ()),
        PartVerdict("c", "NG", 2, ("line/c_1.png: pit 0.71 >= 0.42",)),
    ]
    assert (tally.ok, tally.ng, tally.grouped) == (1, 2, True)


def test_without_a_pattern_every_picture_is_a_part_by_its_path() -> None:
    tally = PartTally(DecisionRules())
    tally.add("left/1.png", NG)
    tally.add("right/1.png", OK)
    tally.add("right/2.png", UNREADABLE)
    assert [one.verdict for one in tally] == ["NG", "OK", "NG"]
    assert [one.reasons for one in tally] == [("pit 0.71 >= 0.42",), (), ("can't be read",)]
    assert not tally.grouped


def test_a_part_of_which_a_picture_can_t_be_read_is_never_ok() -> None:
    tally = PartTally(DecisionRules(part_pattern=r"^\d+"))
    for picture, verdict in (("7_a.png", OK), ("7_b.png", UNREADABLE), ("7_c.png", OK)):
        tally.add(picture, verdict)
    assert list(tally) == [PartVerdict("7", "NG", 3, ("7_b.png: can't be read",))]
