"""Rules are evaluated as the selectors of crds do."""

import pytest
from crds.core import selectors, utils
from crds.core.exceptions import CrdsError
from hypothesis import given
from hypothesis import strategies as st

from roman_dms.errors import MetadataError, ReferenceDataError
from roman_dms.references.mappings import MappingFile, Selector
from roman_dms.references.rules import Rules, condition, date_text, matcher

PATTERNS = [
    "WFI01", "N/A", "*", "WFI*", "WFI01|WFI02", "{WFI01}", "{*}", "NOT WFI01", "NOT WFI0*",
    "BETWEEN 3 5", ">3", ">=3", "<3", "<=3.5", "A|B*", "F158", "?",
]  # fmt: skip
VALUES = ["WFI01", "WFI02", "N/A", "*", "UNDEFINED", "3.0", "5.0", "4.2", "B12", "", "-1.0", "?"]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_match_as_in_crds(pattern):
    ours, theirs = matcher(pattern), selectors.matcher(pattern)
    assert [ours(value) for value in VALUES] == [theirs.match(value) for value in VALUES]


@pytest.mark.parametrize("pattern", ["(a+)+b", "#>1 AND <2#", "BETWEEN a b", "BETWEEN 1"])
def test_expressions_are_refused(pattern):
    with pytest.raises(ReferenceDataError, match="pattern"):
        matcher(pattern)


@given(st.one_of(st.text(max_size=12), st.booleans(), st.integers(-99, 99), st.floats(-9, 9)))
def test_values_are_conditioned_as_in_crds(value):
    assert condition(value) == utils.condition_value(value)


NAMES = ("A", "B", "A|B", "*", "N/A", "C|A")
DATES = ("2020-01-01 00:00:00", "2021-06-01 12:00:00", "2022-01-01 00:00:00")
RULES = st.dictionaries(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)),
    st.dictionaries(
        st.sampled_from(DATES), st.sampled_from(["a.asdf", "b.asdf", "c.asdf", "N/A"]), min_size=1
    ),
    max_size=6,
)


@given(
    RULES,
    st.sampled_from(["A", "B", "C", "D", "N/A"]),
    st.sampled_from(["A", "B", "*"]),
    st.sampled_from(["2019-01-01", *DATES, "2021-06-01T11:59:59.999", "2030-01-01T00:00:00"]),
)
def test_random_rules_choose_as_in_crds(rules, first, second, date):
    """Wildcards, alternatives, overlaps that merge, dates before, at and after."""
    header = {"parkey": (("K1", "K2"), ("T",)), "filekind": "GAIN", "name": "x.rmap"}
    ours = Selector("Match", {key: Selector("UseAfter", dates) for key, dates in rules.items()})
    theirs = selectors.MatchParameters(
        {key: selectors.UseAfterParameters(dict(dates)) for key, dates in rules.items()}
    ).instantiate(header)
    values = {"K1": first, "K2": second, "T": date}
    try:
        expected = theirs.choose(values)
    except (CrdsError, AttributeError):
        expected = None
    try:
        found = Rules.of(MappingFile(header, ours)).choose(values) or "N/A"
    except ReferenceDataError:
        found = None
    assert found == expected


def test_substitution_and_optional_kinds():
    header = {
        "parkey": (("K",), ("T",)), "filekind": "GAIN", "name": "x.rmap",
        "substitutions": {"K": {"GENERIC": "N/A"}}, "reffile_required": "NO",
    }  # fmt: skip
    choices = {"GENERIC": Selector("UseAfter", {DATES[0]: "a.asdf"})}
    rules = Rules.of(MappingFile(header, Selector("Match", choices)))
    assert rules.choose({"K": "ANYTHING", "T": "2020-02-01"}) == "a.asdf"
    assert rules.choose({"K": "ANYTHING", "T": "2019-02-01"}) is None


def test_rules_without_dates():
    header = {"parkey": (("K",),), "filekind": "DUSTMAP", "name": "x.rmap"}
    rules = Rules.of(MappingFile(header, Selector("Match", {"A": "a.asdf", "B": "N/A"})))
    assert (rules.choose({"K": "A"}), rules.choose({"K": "B"})) == ("a.asdf", None)
    with pytest.raises(ReferenceDataError, match=r"\(k = C\)"):
        rules.choose({"K": "C"})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rmap_relevance", "(True)"),
        ("rmap_omit", "(K == 'A')"),
        ("parkey", (("K",), ("T", "U"))),
        ("parkey", ("K", "T")),
        ("parkey", None),
    ],
)
def test_rules_that_would_be_evaluated_otherwise_are_refused(field, value):
    header = {"parkey": (("K",), ("T",)), "filekind": "GAIN", "name": "x.rmap", field: value}
    with pytest.raises(ReferenceDataError, match="cannot be evaluated"):
        Rules.of(MappingFile(header, Selector("Match", {})))


@pytest.mark.parametrize(
    "choices",
    [
        {("A", "B"): "a.asdf"},
        {"A": {"x": "y"}},
        {"A": Selector("UseAfter", {DATES[0]: ("a", "b")})},
    ],
)
def test_contradictory_rules_are_refused(choices):
    header = {"parkey": (("K",), ("T",)), "filekind": "GAIN", "name": "x.rmap"}
    with pytest.raises(ReferenceDataError, match="contradict"):
        Rules.of(MappingFile(header, Selector("Match", choices))).choose(
            {"K": "A", "T": "2021-01-01"}
        )


def test_dates_are_utc():
    assert date_text("2026-11-21T02:00:00+02:00") == "2026-11-21 00:00:00"
    for text in ("", "soon", "2026-13-01", "UNDEFINED"):
        with pytest.raises(MetadataError, match="A date is"):
            date_text(text)
