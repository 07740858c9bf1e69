"""Lengths and waits are learned, and the interval that is shown holds."""

from __future__ import annotations

import math
import random

import pytest

from fireside.capacity.prediction import (
    MAX_KEYS,
    LengthPredictor,
    WaitCalibration,
)


def test_a_new_flow_is_expected_to_be_like_the_others() -> None:
    predictor = LengthPredictor()
    for _ in range(200):
        predictor.observe("old", 50)
    assert predictor.predict("new") == pytest.approx(50, rel=0.1)


def test_a_flow_is_known_after_some_replies() -> None:
    predictor = LengthPredictor()
    for number in range(400):
        predictor.observe("short" if number % 2 else "long", 20 if number % 2 else 800)
    assert predictor.predict("short") < 60
    assert predictor.predict("long") > 700
    assert predictor.predict("long", max_tokens=100) == 100


def test_flows_without_end_do_not_fill_the_memory() -> None:
    predictor = LengthPredictor()
    for number in range(MAX_KEYS + 500):
        predictor.observe(f"{number}", 10)
    assert predictor.predict("0") == predictor.predict("unknown")


@pytest.mark.parametrize("factor", [0.2, 1.0, 5.0])
@pytest.mark.parametrize("spread", [0.2, 0.7])
def test_eighty_of_a_hundred_waits_fall_into_the_interval(factor: float, spread: float) -> None:
    rnd = random.Random(7)
    calibration = WaitCalibration()
    inside = 0
    for number in range(3000):
        raw_s = rnd.uniform(0.5, 20)
        shown = calibration.estimate(raw_s)
        actual_s = raw_s * factor * math.exp(rnd.gauss(0, spread))
        if number >= 300:
            inside += shown.low_s <= actual_s <= shown.high_s
        calibration.observe(raw_s, actual_s)
    assert 0.75 <= inside / 2700 <= 0.85


def test_the_interval_follows_when_waits_change() -> None:
    rnd = random.Random(7)
    calibration = WaitCalibration()
    for _ in range(1000):
        calibration.observe(2.0, 2.0 * math.exp(rnd.gauss(0, 0.3)))
    for _ in range(100):
        calibration.observe(2.0, 8.0 * math.exp(rnd.gauss(0, 0.3)))
    shown = calibration.estimate(2.0)
    assert shown.low_s < 8.0 < shown.high_s


def test_a_wait_of_nothing_is_shown_as_nothing() -> None:
    shown = WaitCalibration().estimate(0.0)
    assert 0.0 <= shown.low_s <= shown.likely_s <= shown.high_s < 0.2
