"""Effects as settings name them."""

import dataclasses

import pytest

from roman_dms.errors import UsageError
from roman_dms.simulation.signatures.cosmic_rays import CosmicRays
from roman_dms.simulation.signatures.effects import NAMES, Effects
from roman_dms.simulation.signatures.quantisation import Quantisation


def test_settings_switch_and_change_effects():
    effects = Effects.from_settings(
        {
            "cosmic_rays": {"rate": 5, "seed": 3},
            "ipc": False,
            "reset": None,
            "read_noise": True,
            "wfi18_transient": {"amplitudes": [1.0, 2.0]},
            "quantisation": {"means": "round"},
        }
    )
    assert effects.cosmic_rays == CosmicRays(rate=5, seed=3)
    assert effects.ipc is None
    assert effects.reset is None
    assert effects.read_noise == Effects().read_noise
    assert effects.wfi18_transient.amplitudes == (1.0, 2.0)
    assert effects.quantisation == Quantisation("floor", "round")
    assert effects.dark_decay == Effects().dark_decay


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cosmic_ray": True}, "did you mean cosmic_rays"),
        ({"cosmic_rays": {"rat": 3}}, "did you mean rate"),
        ({"cosmic_rays": {"rate": "many"}}, "rate is 'many'"),
        ({"cosmic_rays": {"rate": -1}}, "not negative"),
        ({"cosmic_rays": {"rate": float("nan")}}, "finite"),
        ({"cosmic_rays": 5}, "table of parameters"),
        ({"quantisation": {"reads": "ceiling"}}, "ceiling"),
        ({"reset": {"seed": -1}}, "whole number"),
        ({"reset": {"noise": True}}, "noise is True"),
    ],
)
def test_settings_that_cannot_be_meant(settings, message):
    with pytest.raises(UsageError, match=message):
        Effects.from_settings(settings)


def test_only_and_without():
    one = Effects.only("reset", ipc=None)
    assert [name for name in NAMES if getattr(one, name)] == ["reset"]
    rest = Effects().without("reset", "ipc")
    assert [name for name in NAMES if not getattr(rest, name)] == ["ipc", "reset"]
    with pytest.raises(UsageError, match="did you mean reset"):
        Effects.only("resets")
    with pytest.raises(UsageError, match="no effect"):
        Effects().without("magic")


def test_every_parameter_is_documented():
    """Each effect that is on by default says what it is and has frozen parameters."""
    for name in NAMES:
        effect = getattr(Effects(), name)
        assert dataclasses.is_dataclass(effect)
        assert type(effect).__doc__
        with pytest.raises(dataclasses.FrozenInstanceError):
            effect.seed = 1
