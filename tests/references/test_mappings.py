"""The text of mappings: read as crds writes it, written as crds reads it, never executed."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from roman_dms.errors import ReferenceDataError
from roman_dms.references.mappings import Selector, checksum, parse, write

HEADER = {
    "filekind": "FLAT",
    "instrument": "WFI",
    "mapping": "REFERENCE",
    "name": "roman_wfi_flat_0001.rmap",
    "observatory": "ROMAN",
    "derived_from": "generated",
    "parkey": (("ROMAN.META.INSTRUMENT.DETECTOR",), ("ROMAN.META.EXPOSURE.START_TIME",)),
}
RULES = Selector("Match", {("WFI01",): Selector("UseAfter", {"2020-01-01 00:00:00": "a.asdf"})})


def signed(body: str) -> str:
    unsigned = f"header = {{\n    'name' : 'x.rmap',\n}}\n\n{body}\n"
    return unsigned.replace("}\n", f"    'sha1sum' : '{checksum(unsigned)}',\n}}\n", 1)


def test_reads_the_templates_of_crds():
    """Every rule template that the mission ships is read, and its sum agrees."""
    from importlib.resources import files

    templates = [path for path in files("crds.roman").joinpath("specs").iterdir()
                 if path.name.endswith(".rmap")]  # fmt: skip
    read = [parse(path.read_text(), path.name) for path in templates]
    assert len(read) > 40
    assert all(isinstance(mapping.selector, Selector) for mapping in read)


def test_crds_reads_what_we_write():
    from crds.core.rmap import ReferenceMapping

    text = write(HEADER, RULES)
    mapping = ReferenceMapping.from_string(text, "roman_wfi_flat_0001.rmap")
    assert mapping.reference_names() == ["a.asdf"]
    assert mapping._get_checksum(text) == mapping.header["sha1sum"]
    assert mapping.format() == text.rstrip("\n") + "\n"


def test_round_trip():
    mapping = parse(write(HEADER, RULES), "x")
    assert mapping.selector == RULES
    assert mapping.header["parkey"] == HEADER["parkey"]


@pytest.mark.parametrize(
    "body",
    [
        "import os\nselector = {}",
        "selector = __import__('os').system('true')",
        "selector = Match({'a': open('/etc/passwd')})",
        "selector = {'a': [x for x in ()]}",
        "selector = {**{}}",
        "selector = Match({}, **{})",
        "selector = {'a': 1, 'a': 2}",
        "selector = {[]: 1}",
        "selector = 'a' + 'b'",
        "selector = f'{1}'",
        "selector = {'a': b'x'}",
        "other = 1\nselector = {}",
        "selector = header = {}",
        "selector, header = {}, {}",
        "selector = 3",
        "selector = " + "(" * 40 + ")" * 40,
        "selector = " + "(" * 100_000,
        "selector = " + "-" * 200_000 + "1",
        "selector = " + "not " * 50_000 + "1",
        "selector = '" + "x" * 17_000_000 + "'",
        "selector = (",
        "selector = '\x00'",
        "",
    ],
    ids=lambda body: body[:30],
)
def test_hostile_text_is_refused(body):
    with pytest.raises(ReferenceDataError, match=r"x\.rmap"):
        parse(signed(body), "x.rmap")


def test_changed_text_is_refused():
    text = write(HEADER, RULES)
    with pytest.raises(ReferenceDataError, match="is damaged"):
        parse(text.replace("a.asdf", "b.asdf"), "x.rmap")
    with pytest.raises(ReferenceDataError, match="is damaged"):
        parse("\n".join(line for line in text.splitlines() if "sha1sum" not in line), "x.rmap")


@given(st.text(max_size=200))
@example("header = {}\nselector = {}")
def test_any_text_is_read_or_refused(text):
    with pytest.raises(ReferenceDataError):
        parse(text, "x.rmap")
