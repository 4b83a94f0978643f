"""What changes between contexts, for rules and for exposures."""

from roman_dms.references import ReferenceStore, build_context, submit
from roman_dms.references.comparison import FileChange, RuleChange, affected, diff
from tests.references.support import make_exposure, make_reference


def test_diff_and_affected(tmp_path):
    first = [
        make_reference(tmp_path, "g1.asdf", "gain"),
        make_reference(tmp_path, "g7.asdf", "gain", detector="WFI07"),
    ]
    build_context(tmp_path / "store", first)
    store = ReferenceStore(tmp_path / "store")
    late = make_reference(tmp_path, "g1b.asdf", "gain", useafter="2027-01-01")
    submit(store, [late, make_reference(tmp_path, "mask.asdf", "mask")])
    old, new = store.context("roman_0001.pmap"), store.context("roman_0002.pmap")
    assert diff(old, new) == [
        RuleChange("gain", ("WFI01",), "2027-01-01 00:00:00", None, "g1b.asdf"),
        RuleChange("mask", (), "", "N/A", None),
        RuleChange("mask", ("WFI01",), "2020-01-01 00:00:00", None, "mask.asdf"),
    ]
    assert diff(old, old) == []
    before = make_exposure(tmp_path / "before.asdf", start="2026-12-31T23:59:59")
    after = make_exposure(tmp_path / "after.asdf", start="2027-01-01T00:00:01")
    other = make_exposure(tmp_path / "other.asdf", detector="WFI07")
    assert affected(old, new, [before, after, other], ["gain"]) == [
        FileChange(after, "gain", "g1.asdf", "g1b.asdf")
    ]
    changes = affected(old, new, [before, after, other])
    assert {(change.exposure.stem, change.kind) for change in changes} == {
        ("before", "mask"), ("after", "gain"), ("after", "mask"), ("other", "mask"),
    }  # fmt: skip
    assert changes[-1].new.startswith("none (No reference file of the kind 'mask'")
