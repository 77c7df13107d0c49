"""The ways of asking for the gradient and the idioms: that they are right, and what their names say they are."""

from __future__ import annotations

import numpy as np
import pytest

from gradaudit.adapters import adapter
from gradaudit.adapters.calls import hand_over
from gradaudit.adapters.idioms import LOSSES, RELUS, spellings
from gradaudit.cases.catalogue import case_of, cases
from gradaudit.cases.plan import Item, Settings, plan
from gradaudit.runs.entrants import choose_variants
from gradaudit.runs.run import judge_item
from gradaudit.verdicts.expected import expectations
from gradaudit.verdicts.judge import describe
from tests.answers import acceptance_of

#: Every variant of the frameworks that the tests install.
VARIANTS = [(name, variant) for name in ("torch", "jax") for variant in adapter(name).variants]
QUICK = [case for case in cases("quick") if case.edge.name in ("random", "exact_kinks", "logits_1e8")]
KNOWN = {(e.framework, variant, family) for e in expectations() for variant in e.variants for family in e.families}


def test_there_are_at_least_twelve_variants() -> None:
    assert len(VARIANTS) >= 12
    assert len(set(VARIANTS)) == len(VARIANTS)


@pytest.mark.parametrize(("framework", "variant"), VARIANTS, ids=[".".join(pair) for pair in VARIANTS])
def test_variant_is_right_where_nothing_is_known_against_it(framework: str, variant: str) -> None:
    posed = [case for case in QUICK if (framework, variant, case.family) not in KNOWN]
    assert any(case.family == "random" for case in posed)
    for case in posed:
        result = judge_item(Item(case, framework, variant), acceptance_of(case))
        assert result.verdict == "pass", describe(result)


def test_what_is_called_compiled_by_torch_is_compiled() -> None:
    from torch import _dynamo

    _dynamo.reset()
    _dynamo.utils.counters.clear()
    adapter("torch").gradients(hand_over(case_of("3x2x2x2-reg_0.1-random-float64-s0").problem()), "compile")
    assert _dynamo.utils.counters["stats"]["unique_graphs"] == 1
    assert _dynamo.config.fail_on_recompile_limit_hit


def test_torch_does_not_fall_back_to_eager_beyond_its_limit_of_recompilations() -> None:
    from torch import _dynamo

    problem = case_of("3x2x2x2-reg_0.1-random-float32-s0").problem()
    adapter("torch").gradients(hand_over(problem), "compile")
    other = case_of("1x2x2x1-reg_0.1-random-float64-s0").problem()
    with _dynamo.config.patch(recompile_limit=1), pytest.raises(Exception, match="limit"):
        adapter("torch").gradients(hand_over(other), "compile")
    _dynamo.reset()


@pytest.mark.parametrize("mode", ["eager", "compiled"])
@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_every_relu_has_slope_0_below_and_1_above_its_kink(framework: str, mode: str) -> None:
    judged = adapter(framework)
    slopes = judged.slopes(np.array([-2.0, -1e-3, 1e-3, 2.0]), mode)  # type: ignore[attr-defined]
    assert list(slopes) == list(RELUS)
    assert {idiom: slope.tolist() for idiom, slope in slopes.items()} == {
        idiom: [0.0, 0.0, 1.0, 1.0] for idiom in RELUS
    }


def test_a_variant_changes_one_thing() -> None:
    result = spellings(("way", "other"), RELUS, LOSSES)
    assert result["way"] == ("way", "relu", "fused")
    assert result["other"] == ("other", "relu", "fused")
    assert result["relu_where"] == ("way", "where", "fused")
    assert result["loss_logsumexp"] == ("way", "relu", "logsumexp")
    assert len(result) == 2 + len(RELUS) - 1 + len(LOSSES) - 1


def test_variants_that_are_not_canonical_are_judged_on_the_quick_cases() -> None:
    who = choose_variants(("torch",), ("all",))
    planned = plan(Settings(who=who, noncanonical="quick"))
    quick, standard = {case.id for case in cases("quick")}, {case.id for case in cases("standard")}
    of_variant = {variant: {item.case.id for item in planned if item.variant == variant} for _, variant in who}
    assert of_variant.pop("autograd") == standard
    assert all(ids == quick & standard for ids in of_variant.values())
