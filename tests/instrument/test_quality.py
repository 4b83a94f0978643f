import numpy as np
import pytest

from roman_dms.instrument.quality import Pixel, Resultant

dqflags = pytest.importorskip("roman_datamodels.dqflags")


@pytest.mark.parametrize(
    ("ours", "theirs"), [(Pixel, dqflags.pixel), (Resultant, dqflags.group)], ids=["pixel", "group"]
)
def test_flags_have_the_bits_that_users_of_rad_know(ours, theirs):
    known = {flag.name: int(flag) for flag in theirs}
    for flag in ours:
        if flag.name in known:
            assert int(flag) == known[flag.name], flag.name
    assert {flag.name for flag in ours} - set(known) <= {"WFI18_TRANSIENT"}


@pytest.mark.parametrize(("flags", "dtype"), [(Pixel, np.uint32), (Resultant, np.uint8)])
def test_flags_fit_their_arrays_and_are_single_bits(flags, dtype):
    for flag in flags:
        assert int(dtype(flag)) == int(flag)
        assert int(flag).bit_count() == 1


def test_no_reserved_bit_is_used():
    reserved = [flag for flag in dqflags.pixel if flag.name.startswith("RESERVED")]
    assert not {int(flag) for flag in Pixel} & {int(flag) for flag in reserved}
