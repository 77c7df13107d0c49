"""The entrants: what is judged, a framework or a candidate, made from its name in the process that judges it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from gradaudit.adapters import adapter
from gradaudit.adapters.calls import Answer, Caller
from gradaudit.candidate.isolation import CANDIDATE, Isolated
from gradaudit.engines.base import Engine, Here, Lost, Name, Names, in_order
from gradaudit.reference.problem import Problem


class SettingsError(ValueError):
    """Impossible settings: the message says which, what was expected and how to mend it."""


class Entrant(Protocol):
    """What is judged.

    Attributes
    ----------
    dtypes : tuple of str
        The dtypes in which it computes.
    """

    @property
    def dtypes(self) -> tuple[str, ...]: ...

    def answer(self, problem: Problem, layout: str = "C", labels: str = "int64") -> Answer:
        """Its gradients of a problem. The arrays have the given layout, the labels the dtype `labels`."""


class Framework:
    """A variant of a framework, in this process.

    Raises
    ------
    FrameworkError
        If the framework is unknown, or its package is not installed.
    """

    def __init__(self, name: str, variant: str) -> None:
        self._adapter, self._variant = adapter(name), variant
        self.dtypes = self._adapter.dtypes

    def answer(self, problem: Problem, layout: str = "C", labels: str = "int64") -> Answer:
        """Its gradients of a problem."""
        return Caller(lambda inputs: self._adapter.gradients(inputs, self._variant))(problem, layout, labels)


def entrant_of(framework: str, variant: str, limits: Sequence[str] = ()) -> Entrant:
    """The entrant with this name; the process of a candidate stays for the next call."""
    if framework != CANDIDATE:
        return Framework(framework, variant)
    key = (variant, *limits)
    if key not in _candidates:
        leave()
        _candidates[key] = Isolated(variant, float(limits[0]), int(limits[1])) if limits else Isolated(variant)
    return _candidates[key]


#: The candidate with a running process, if any, by its target and limits.
_candidates: dict[tuple[str, ...], Isolated] = {}


def leave() -> None:
    """End the process of the candidate, if there is one."""
    while _candidates:
        _candidates.popitem()[1].stop()


class Offer(NamedTuple):
    """The variants and versions of a framework."""

    variants: tuple[str, ...]
    versions: dict[str, str]


def _offers(names: Names) -> Iterator[tuple[Name, Offer]]:
    """The offers of frameworks, by their names, from the process that imports them."""
    for name in names:
        framework = adapter(name[0])
        yield name, Offer(framework.variants, framework.versions())


def offers(frameworks: Sequence[str], engine: Engine) -> dict[str, Offer]:
    """The offers of frameworks, from the place where they will be judged.

    Raises
    ------
    SettingsError
        If a framework ends its process when it is imported.
    """

    def give_up(name: Name, loss: Lost) -> Offer:
        raise SettingsError(f"{name[0]} cannot be imported ({loss}); leave it out with --frameworks")

    batches = in_order(engine, _offers, [((name,),) for name in frameworks], give_up)
    return {names[0][0]: offer for names, results in batches for offer in results}


def choose_variants(
    frameworks: Sequence[str], variants: Sequence[str], of: Mapping[str, Offer] | None = None
) -> tuple[tuple[str, str], ...]:
    """The frameworks with the selected variants of each ("canonical", "all", or names).

    Parameters
    ----------
    frameworks, variants : sequence of str
        Their names.
    of : mapping of str to Offer
        Their offers; by default the frameworks are imported in this process.

    Raises
    ------
    SettingsError
        If no framework has one of the variants.
    """
    of = offers(frameworks, Here()) if of is None else of
    choice = {name: of[name].variants for name in frameworks}
    who = tuple(
        (name, variant)
        for name, its_variants in choice.items()
        for variant in its_variants
        if "all" in variants or variant in variants or ("canonical" in variants and variant == its_variants[0])
    )
    missing = set(variants) - {"canonical", "all"} - {variant for _, variant in who}
    if missing:
        names = "; ".join(f"{name}: {', '.join(its_variants)}" for name, its_variants in choice.items())
        raise SettingsError(f"no framework has the variant {', '.join(sorted(missing))}; expected one of {names}")
    return who
