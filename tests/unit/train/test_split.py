from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium.errors import ConfigError
from sensorium.train import split_by_key

KEYS = [f"subject{s}-rec{r}" for s in range(10) for r in range(4)]


@given(
    st.lists(st.text(max_size=5), min_size=2, max_size=40, unique=True),
    st.floats(0.01, 0.99),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=100, deadline=None)
def test_every_key_is_on_exactly_one_side_and_no_side_is_empty(
    keys: list[str], fraction: float, seed: int
) -> None:
    split = split_by_key(keys, fraction, seed)
    assert sorted([*split.train, *split.validation]) == sorted(keys)
    assert split.train
    assert split.validation


@given(st.permutations(KEYS), st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_the_split_depends_on_the_keys_and_not_on_their_order(keys: list[str], seed: int) -> None:
    assert split_by_key(keys * 2, 0.3, seed) == split_by_key(KEYS, 0.3, seed)


def test_a_group_is_never_torn_apart() -> None:
    split = split_by_key(KEYS, 0.3, 0, r"^(subject\d+)-")
    assert len(split.validation_groups) == 3
    assert {key.partition("-")[0] for key in split.validation} == set(split.validation_groups)
    assert not set(split.train_groups) & set(split.validation_groups)
    assert len(split.validation) == 12


def test_a_group_may_be_a_function() -> None:
    by_name = split_by_key(KEYS, 0.3, 0, lambda key: key.partition("-")[0])
    assert by_name == split_by_key(KEYS, 0.3, 0, r"^(subject\d+)-")


def test_another_seed_gives_another_split() -> None:
    assert len({split_by_key(KEYS, 0.25, seed).validation for seed in range(5)}) > 1


def test_rare_labels_are_spread_over_both_sides() -> None:
    strata = {key: "rare" if key.endswith("rec0") else "common" for key in KEYS}
    for seed in range(10):
        split = split_by_key(KEYS, 0.2, seed, strata=strata)
        assert sum(strata[key] == "rare" for key in split.validation) == 2
        assert len(split.validation) == 8


def test_one_group_cannot_be_split() -> None:
    with pytest.raises(ConfigError, match="there are 1 groups of keys, and a split by key needs"):
        split_by_key(KEYS, 0.3, 0, "^(subject)")


def test_a_key_without_a_group_is_named() -> None:
    with pytest.raises(ConfigError, match=r"'\^x' does not match the key 'subject0-rec0'"):
        split_by_key(KEYS, 0.3, 0, "^x")


def test_a_broken_grouping_is_named() -> None:
    with pytest.raises(ConfigError, match=r"'\(' is not a regular expression"):
        split_by_key(KEYS, 0.3, 0, "(")


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1])
def test_a_fraction_outside_of_the_open_interval_is_refused(fraction: float) -> None:
    with pytest.raises(ConfigError, match="must lie between 0 and 1"):
        split_by_key(KEYS, fraction)
