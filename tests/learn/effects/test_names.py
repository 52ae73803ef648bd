import pytest

from scmamba._errors import ScmambaError
from scmamba.learn.effects.names import PerturbationNames, label_of


@pytest.mark.parametrize(
    ("label", "parts"),
    [
        ("A", ("A",)),
        ("A+B", ("A", "B")),
        ("B+A", ("A", "B")),
        ("B_A", ("A", "B")),
        ("A+ctrl", ("A",)),
        ("ctrl+A", ("A",)),
        ("A_ctrl", ("A",)),
        ("non-targeting", ()),
        (["B", "A"], ("A", "B")),
        ("HLA_X", ("HLA_X",)),  # one name of the data: X alone is unknown
        ("C+D", ("C", "D")),
        ("g(+)-JQ1+A", ("A", "g(+)-JQ1")),
    ],
)
def test_labels_become_sorted_parts(label, parts):
    names = PerturbationNames("non-targeting", ["non-targeting", "A", "B+ctrl", "HLA_X"])
    assert names.parse(label) == parts


def test_labels_are_written_with_plus_signs():
    assert label_of(("A", "B")) == "A+B"
    assert label_of((), "ctrl") == "ctrl"


@pytest.mark.parametrize("label", ["", "A+", "A+A", []])
def test_impossible_labels_are_refused(label):
    with pytest.raises(ScmambaError, match="perturbation"):
        PerturbationNames("ctrl", ["A"]).parse(label)


def test_unknown_names_are_told_with_those_that_are_near():
    names = PerturbationNames("ctrl", ["STAT1", "JAK2"], genes=["IRF1"])
    names.require_known(("IRF1", "JAK2"))
    with pytest.raises(ScmambaError, match="Stat2.*STAT1"):
        names.require_known(("Stat2",))
