"""Edits and pruning are configured by name as everything else is."""

from __future__ import annotations

import pytest

from lethe.configure import build
from lethe.errors import ConfigurationError
from lethe.methods.descent.salun import SalUn
from lethe.methods.edits.prune_then_unlearn import PruneThenUnlearn
from lethe.methods.edits.ssd import SSD
from lethe.scopes import LastLayers


def test_an_edit_takes_a_scope_and_refuses_a_step():
    assert build("ssd", {"alpha": "5", "scope.count": "2"}, {"scope": "last_layers"}) == SSD(
        alpha=5.0, scope=LastLayers(2)
    )
    with pytest.raises(ConfigurationError, match="ssd takes no --step"):
        build("ssd", {}, {"scope": "last_layers", "step": "sam"})


def test_the_method_after_pruning_is_named_with_its_own_options():
    built = build("prune_then_unlearn", {"sparsity": "0.9", "method": "salun", "method.keep": "0.3"})
    assert built == PruneThenUnlearn(sparsity=0.9, method=SalUn(keep=0.3))
    with pytest.raises(ConfigurationError, match="salun"):
        build("prune_then_unlearn", {"method": "salum"})


def test_options_that_do_not_fit_are_refused_when_they_are_read():
    with pytest.raises(ConfigurationError, match="label_free"):
        build("ssd", {"label_free": "true", "per_example": "true"})
