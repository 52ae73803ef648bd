"""Settings are those that exist."""

from __future__ import annotations

import pytest

from scmamba import ScmambaError, settings


def test_a_misspelled_setting_is_refused() -> None:
    with pytest.raises(ScmambaError, match=r"no 'sed' \(did you mean 'seed'\?\)"):
        settings.sed = 1
    with pytest.raises(ScmambaError, match="no 'x'; it has seed, device"):
        settings.x = 1


def test_wrong_values_are_refused() -> None:
    with pytest.raises(ScmambaError, match="verbosity='loud'; allowed"):
        settings.verbosity = "loud"
    with pytest.raises(ScmambaError, match="precision='half'; allowed"):
        settings.precision = "half"
