"""Those who are judged, made from their names wherever they are judged: a framework, or a candidate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from gradaudit.adapters import adapter
from gradaudit.adapters.calls import Answer, Caller
from gradaudit.candidate.isolation import CANDIDATE, Isolated
from gradaudit.engines.base import Engine, Here, Lost, Name, Names, in_order
from gradaudit.reference.problem import Problem


class SettingsError(ValueError):
    """Settings that cannot be met: the message says which, what was expected and how to mend it."""


class Entrant(Protocol):
    """Who is judged.

    Attributes
    ----------
    dtypes : tuple of str
        The dtypes in which it computes.
    """

    @property
    def dtypes(self) -> tuple[str, ...]: ...

    def answer(self, problem: Problem, layout: str = "C", labels: str = "int64") -> Answer:
        """Its gradients of a problem, whose arrays it is given in a layout, the labels in the dtype `labels`."""


class Framework:
    """A variant of a framework, in this process.

    Raises
    ------
    FrameworkError
        If there is no such framework, or its package is not installed.
    """

    def __init__(self, name: str, variant: str) -> None:
        self._adapter, self._variant = adapter(name), variant
        self.dtypes = self._adapter.dtypes

    def answer(self, problem: Problem, layout: str = "C", labels: str = "int64") -> Answer:
        """Its gradients of a problem."""
        return Caller(lambda inputs: self._adapter.gradients(inputs, self._variant))(problem, layout, labels)


def entrant(framework: str, variant: str, limits: Sequence[str] = ()) -> Entrant:
    """The entrant of a name; a candidate's process stays for the next call."""
    if framework != CANDIDATE:
        return Framework(framework, variant)
    key = (variant, *limits)
    if key not in _candidates:
        leave()
        _candidates[key] = Isolated(variant, float(limits[0]), int(limits[1])) if limits else Isolated(variant)
    return _candidates[key]


#: The candidate whose process runs beside this one, if any, by its target and limits.
_candidates: dict[tuple[str, ...], Isolated] = {}


def leave() -> None:
    """End the candidate's process, if there is one beside this process."""
    while _candidates:
        _candidates.popitem()[1].stop()


class Offer(NamedTuple):
    """What a framework says of itself."""

    variants: tuple[str, ...]
    versions: dict[str, str]


def _offered(names: Names) -> Iterator[tuple[Name, Offer]]:
    """What frameworks, given by their names, say of themselves, in whatever process they are imported."""
    for name in names:
        framework = adapter(name[0])
        yield name, Offer(framework.variants, framework.versions())


def offers(frameworks: Sequence[str], engine: Engine) -> dict[str, Offer]:
    """What frameworks say of themselves where they are going to be judged.

    Raises
    ------
    SettingsError
        If one of them ends its process when it is imported.
    """

    def give_up(name: Name, loss: Lost) -> Offer:
        raise SettingsError(f"{name[0]} cannot be imported ({loss}); leave it out with --frameworks")

    batches = in_order(engine, _offered, [((name,),) for name in frameworks], give_up)
    return {names[0][0]: offer for names, results in batches for offer in results}


def choose_variants(
    frameworks: Sequence[str], variants: Sequence[str], of: Mapping[str, Offer] | None = None
) -> tuple[tuple[str, str], ...]:
    """The frameworks, each with those of its variants that are asked for ("canonical", "all", or names).

    Parameters
    ----------
    frameworks, variants : sequence of str
        Their names.
    of : mapping of str to Offer
        What they offer; by default they are asked in this process.

    Raises
    ------
    SettingsError
        If a variant is named that none of the frameworks offers.
    """
    offering = offers(frameworks, Here()) if of is None else of
    choice = {name: offering[name].variants for name in frameworks}
    who = tuple(
        (name, variant)
        for name, its_variants in choice.items()
        for variant in its_variants
        if "all" in variants or variant in variants or ("canonical" in variants and variant == its_variants[0])
    )
    missing = set(variants) - {"canonical", "all"} - {variant for _, variant in who}
    if missing:
        there = "; ".join(f"{name}: {', '.join(its_variants)}" for name, its_variants in choice.items())
        raise SettingsError(f"no framework has the variant {', '.join(sorted(missing))}; expected one of {there}")
    return who
