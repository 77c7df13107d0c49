"""The changes of `mutants.py`, file by file, and which tests are to notice them."""

from __future__ import annotations

#: The tests that are run for a file, the quickest first.
_BOUNDS = ("library/test_bounds_again.py", "library/test_graphs.py", "library/test_operations.py")
_VALUES = (
    *("library/test_pairs.py", "library/test_operations.py"),
    *("reference/test_products.py", "reference/test_enclosures.py"),
)
_CERTIFIED = ("reference/test_certified.py", "library/test_check.py", "library/test_bounds_again.py")
TESTS = {
    **{f"gradaudit/rounding/{name}.py": _BOUNDS for name in ("arithmetic", "bound", "softmax")},
    **{
        f"gradaudit/operations/{name}.py": _BOUNDS
        for name in (
            "arithmetic",
            "choices",
            "cross_entropy",
            "entrywise",
            "operation",
            "powers",
            "products",
            "shapes",
            "softmax",
        )
    },
    **{
        f"gradaudit/exact/{name}.py": _VALUES
        for name in ("arithmetic", "balls", "doubles", "enclosure", "functions", "pairs", "splitting")
    },
    "gradaudit/certify.py": _CERTIFIED,
    "gradaudit/readings.py": _CERTIFIED,
    "gradaudit/verdicts/judge.py": ("suite/test_judge.py",),
    "gradaudit/mistakes/diagnosis.py": ("suite/test_diagnosis_words.py",),
    "gradaudit/mistakes/composition.py": ("suite/test_diagnosis_tolerance.py",),
    "gradaudit/runs/sweep.py": ("suite/test_sweep.py",),
    "gradaudit/records/progress.py": ("suite/test_sweep.py",),
    "gradaudit/records/tally.py": ("suite/test_sweep.py",),
}
#: Of each file, BEFORE => AFTER.
CHANGES = {
    "gradaudit/rounding/softmax.py": """
        (2 + 2 * log_C)       => 1
        * (1 + library)       => * 1
        2 * d + q             => d + q
        + K * u * (d          => + 0 * u * (d
        (K + 2) * el          => K * el
        library = fp.gamma(C + 3 * K)  => library = fp.gamma(C + K)
        log_Z + 2 * Emax      => log_Z + Emax
        cap) + 2 * fp.eta     => cap) + fp.eta
        -np.inf) + E < 0      => -np.inf) < 0
        _lost(u, np.abs(x), offset)  => _lost(u, x, offset)
        high + Emax >= 0      => high + Emax > 0
        np.where(Emax <= 1, dn_near  => np.where(Emax <= 9, dn_near
        np.isfinite(Emax), or_infinite(E_p), np.inf  => np.isfinite(Emax), or_infinite(E_p), 1.0
    """,
    "gradaudit/rounding/arithmetic.py": """
        OF_EVALUATION = 1 + 1e-6           => OF_EVALUATION = 1 + 1e-5
        OF_OVERFLOW = 1.001                => OF_OVERFLOW = 0.999
        self.eta > A                       => self.eta >= A
        - 53 + trailing                    => - 52 + trailing
        np.maximum(1 - n * self.u, 0.0)    => 1
        size * OF_OVERFLOW <= self.omega, E  => size <= 2 * self.omega, E
        np.full((A.shape[0], B.shape[1]), float(A.shape[1]))  => np.full((A.shape[0], B.shape[1]), 1.0)
        np.where(np.isnan(E), np.inf, E)   => np.where(np.isnan(E), 0.0, E)
    """,
    "gradaudit/rounding/bound.py": """
        np.maximum(count - 1, 0.0)         => np.maximum(count - 2, 0.0)
        max(count - 1, 0.0) if             => max(count - 2, 0.0) if
        + terms.rounded\\n                  => + 0 * terms.rounded\\n
        terms.faint + additions * fp.eta   => terms.faint + 0 * additions
        pure & (fine >= low)               => pure & (fine >= low - 9)
        fine + fp.precision, low           => fine + fp.precision + 1, low
        (error == 0) & (size >= fp.eta)    => (size >= fp.eta)
        fp.unit(additions + terms.depth)   => fp.unit(additions)
        * amount + error + faint           => * amount + faint
        (OF_OVERFLOW * late)               => OF_OVERFLOW
        E = np.where(unrounded, error, E)  => E = np.where(unrounded, 0.0, E)
        Terms((reach != 0) * groups        => Terms((reach != 0) * 1.0
        reach, nothing, bound.E, nothing   => reach, nothing, nothing, nothing
        single.groups + other.groups)      => max(single.groups, other.groups))
        max(single.depth, other.depth)     => min(single.depth, other.depth)
        _replace(groups=1.0)               => _replace(groups=2.0)
        ~change(*(~b.pure for b in bounds))  => change(*(b.pure for b in bounds))
        max(b.late for b in bounds)        => min(b.late for b in bounds)
        any(b.closed for b in bounds)      => all(not b.closed for b in bounds)
        np.where(known, self.E, np.inf)    => np.where(known, self.E, 0.0)
        (np.where(known, t, np.inf) for t  => (np.where(known, t, 0.0) for t
        Bound(fp.subnormal(np.abs(v))      => Bound(0 * fp.subnormal(np.abs(v))
    """,
    "gradaudit/operations/arithmetic.py": """
        x.bound.late == y.bound.late else 1.0  => x.bound.late == y.bound.late else 9.0
        + x.E * y.E)                       => )
        least >= fp.eta * OF_OVERFLOW, 0.0, count * fp.eta)  => least >= fp.eta * OF_OVERFLOW, 0.0, 0 * count)
        pick(free, 0.0, size), error       => pick(free, 0.0, 0 * size), error
        1 / first if 0 < first < 1         => 1.0 if 0 < first < 1
        fp.u * x.size >= x.E               => 9 * fp.u * x.size >= x.E
        factor.E * (t.size + t.error))     => 0 * factor.E)
        t.count - 1, 0) * fp.eta) + count * fp.eta  => t.count - 1, 0) * fp.eta)
        scale * t.rounded + own            => scale * t.rounded
        t.depth + 1, t.groups)             => t.depth, t.groups)
        t.depth + 2, t.groups)             => t.depth + 1, t.groups)
        y.power, 0.0, 2 * size)            => y.power, 0.0, size)
        + 2 * t.count * fp.eta             => + t.count * fp.eta
        scale * y.E * (size + error)       => 0 * y.E
        (x.E + v * y.E) / least            => (x.E + v * y.E) / np.abs(y.v)
        fp.gamma(2) * (v + moved)          => fp.gamma(1) * (v + moved)
        v - moved >= fp.eta * OF_OVERFLOW), 0.0, fp.eta)  => v - moved >= 0), 0.0, fp.eta)
        pick(least > 0, E, np.inf)         => pick(least > 0, E, 0.0)
        first if first > 1                 => 1.0 if first > 1
        y.reach * fp.eta * 1.001 <= 1      => y.reach * fp.eta <= 9
        1.001 / least <= fp.omega          => 0 / least <= fp.omega
        pure & x.bound.pure, lambda        => pure | x.bound.pure, lambda
    """,
    "gradaudit/operations/operation.py": """
        == 0.5) & (self.E == 0)            => == 0.5)
    """,
    "gradaudit/operations/powers.py": """
        fp.gamma(n + 3)                    => fp.gamma(n)
        (v + moved) + n * fp.eta           => (v + moved) + fp.eta
        n * (high ** (n - 1)               => (high ** (n - 1)
        (v + E) * fp.eta * 1.001 > 1       => (v + E) * fp.eta > 9
        v + E))                            => v))
        n * power * g.E                    => power * g.E
        np.where(x.E > 0, n * steep        => np.where(x.E > 0, steep
        (n + 2) * size                     => n * size
        faint, n + 2, factors)             => faint, n, factors)
        (n - factors + 1) * fp.eta         => (n - factors) * fp.eta
        n * abs(m) * fp.eta                => n * 0 * fp.eta
        there * factors                    => there * 1.0
        n * np.maximum(power               => np.maximum(power
        g.bound.late * g.reach             => g.reach
        5 * size, error, 2 * fp.eta        => 4 * size, error, 2 * fp.eta
        error, 2 * fp.eta                  => error, fp.eta
        E.dot(v + reach)                   => E.dot(v)
    """,
    "gradaudit/operations/products.py": """
        _each(magnitude_product, reach_x, y.E)  => _each(magnitude_product, a, y.E)
        _each(magnitude_product, x.E, b)   => 0
        products * fp.eta, 1.0)            => 0 * products, 1.0)
        size, size, error                  => size, 0 * size, error
        terms_of(b, closed=True)           => terms_of(b)
        products.size * (OF_OVERFLOW * late)  => products.size * OF_OVERFLOW
        if late == b.bound.late            => if True
        pure & b.bound.pure                => pure
        x.bound.pure.all(axis=-1,          => x.bound.pure.any(axis=-1,
        y.bound.pure.all(axis=-2,          => y.bound.pure.any(axis=-2,
        np.minimum(grid(), b.bound.grid)   => grid()
        x.bound.pure & (x.E == 0)          => x.bound.pure & (x.E >= 0)
    """,
    "gradaudit/operations/choices.py": """
        x.v != y.v) | fp.strict            => x.v != y.v) | True
        > x.E + y.E) & ~certain            => >= x.E + y.E) & ~certain
        | (value == UNKNOWN)\\n\\n\\ndef _comparison  => \\n\\n\\ndef _comparison
        mask.bound | other.bound           => mask.bound & other.bound
        (mask.value == 0) & ~mask.bound    => (mask.value == 0)
        np.abs(x.v - value.hi) + x.E       => np.abs(x.v - value.hi)
        chosen, x.bound.pure, y.bound.pure) & certain  => chosen, x.bound.pure, y.bound.pure)
        x.v - x.E > y.v + y.E, low         => x.v - x.E >= y.v + y.E, low
        (x.E == 0) & (low >= x.v)          => (low >= x.v)
        (x.E > 0) & (np.abs                => (x.E < 0) & (np.abs
        (x.v - x.E).max                    => (x.v + x.E).max
        axis=axis, keepdims=True) > 1)     => axis=axis, keepdims=True) > 2)
        np.where(alone, x.E, _flushed      => np.where(~alone, x.E, _flushed
    """,
    "gradaudit/operations/cross_entropy.py": """
        fp.gamma(6)                        => fp.gamma(5)
        2 * fp.gamma(C + 5)                => fp.gamma(C + 5)
        fp.gamma(C + 5)                    => fp.gamma(C)
        (3 * C + 3) * fp.eta               => fp.eta
        np.where(at_label, of.E_p, reach)  => np.where(at_label, 0, reach)
        np.where(of.top, of_maximum, 0.0)  => 0.0
        E_G * (t + E)                      => E_G * t
        (t + E) + np.where(of.top          => (t + E) + 0 * np.where(of.top
        (G + E_G == 0) &                   => (G == 0) &
        g.bound.late * (t * G + E)         => (t * G + E)
        fp.eta / fp.u) * G                 => fp.eta) * G
        1 + np.abs(value.hi)               => np.abs(value.hi)
        np.where(leads, r[..., None], y)   => np.where(leads, -r[..., None], y)
    """,
    "gradaudit/operations/softmax.py": """
        fp.gamma(8)                        => fp.gamma(7)
        fp.gamma(C + 5)                    => fp.gamma(C)
        (3 * C + 2)                        => (3 * C)
        + 3 * fp.eta                       => + fp.eta
        additions * U * size_G             => 0 * size_G
        fp.gamma(additions)                => 0
        late * np.maximum                  => np.maximum
        np.maximum(t + moved, size_G)      => t + moved
        (rules.K + 1)                      => rules.K
        offset="none"                      => offset="half"
        np.abs(x.v).max                    => x.v.max
    """,
    "gradaudit/operations/entrywise.py": """
        2 * f.reach                        => f.reach / 2
        np.maximum(np.abs(low), np.abs(high))  => high
        (v + moved) + fp.eta               => (v + moved)
        np.where(f.defined(low, high), E, np.inf)  => E
    """,
    "gradaudit/operations/shapes.py": """
        (size <= fp.omega) |               => (size >= 0) |
        fp.u * np.abs(v)                   => 0 * np.abs(v)
        - fp.precision)                    => - fp.precision - 1)
        added(~x.bound.pure) == 0          => added(~x.bound.pure) >= 0
        np.logical_and.accumulate          => np.logical_or.accumulate
        np.minimum.accumulate              => np.maximum.accumulate
        parts = [x.bound.opened(terms_of(x)) for x in xs]  => pass
    """,
    "gradaudit/exact/arithmetic.py": """
        np.where(mask == UNKNOWN, x, y)    => np.where(mask == UNKNOWN, y, y)
        if n & 1                           => if not n & 1
        np.append(x, np.zeros(1, dtype=x.dtype))  => np.append(x, np.ones(1, dtype=x.dtype))
    """,
    "gradaudit/exact/balls.py": """
        0 if x.is_zero() else UNKNOWN      => 0 if x == 0 else UNKNOWN
        2 * U * np.abs(lo)) * UP           => 0 * np.abs(lo)) * UP
        (self.spread + 2 * U               => (0 * self.spread + 2 * U
        * UP + 2.0**-1073                  => * UP
        arb(lo, radius) + hi               => arb(lo) + hi
        2.0**-104 * np.abs(self.hi)        => 0 * np.abs(self.hi)
        map(arb.union, a.ravel().tolist(), b.ravel().tolist())  => a.ravel().tolist()
    """,
    "gradaudit/exact/doubles.py": """
        U * np.abs(s) * rounded            => 0 * np.abs(s) * rounded
        a.radius * b.radius + U * size + TINY  => a.radius * b.radius + U * size
        + a.radius * b.radius + U          => + U
        0.0, U * size + TINY)              => 0.0, TINY)
        (PLAIN_K + f.growth(a.x))          => (1 + f.growth(a.x))
        moved = np.where(a.radius > 0, f.slope(low, high) * a.radius, 0.0)  => moved = 0.0 * a.radius
        a.x.shape[-1] * U * UP             => U * UP / 9
        of_sizes(a.radius, size_b + b.radius)  => of_sizes(a.radius, size_b)
        size_b + b.radius / loss           => size_b
        A.min(axis=1) < 2.0**-16           => A.min(axis=1) < 2.0**-99
        largest = A.max(axis=1)            => largest = A.mean(axis=1)
        - 1) * (U * UP)                    => - 1) * (0 * U)
        least > 0, radius, np.inf          => least > 0, radius, 0.0
        decided = np.abs(a.x) > a.radius * UP  => decided = np.abs(a.x) > 0
    """,
    "gradaudit/exact/pairs.py": """
        slack = 2 * U                      => slack = 0 * U
        4 * U * (np.abs(error)             => 0 * U * (np.abs(error)
        + np.abs(a.lo * b.lo)              => + 0
        a.radius * b.size + a.size         => a.size
        + TINY * inexact                   => + 0
        faint = np.abs(p) < 2.0**-960      => faint = np.abs(p) < 0
        np.abs(q) * b.radius               => 0 * b.radius
        + np.abs(left) * (unsure           => + 0 * (unsure
        np.abs(across), 4 * U * size)      => np.abs(across), 0 * size)
        np.where(least > 0, radius, np.inf)  => radius
        np.abs(e.lo) + e.radius for        => np.abs(e.lo) for
        radius * UP, np.inf))              => radius * UP, 0.0))
    """,
    "gradaudit/exact/splitting.py": """
        (right.size + B.radius) + k * TINY  => (right.size + B.radius)
        A.radius @ (right.size + B.radius)  => A.radius @ right.size
        left.size @ B.radius               => 0
        bits = (53 - int                   => bits = (57 - int
        min(50, 53 - int                   => min(50, 55 - int
        number + 8) * U                    => number + 8) * U / k
        left.largest[-1]], [               => 0 * left.largest[-1]], [
        *right.largest[:0:-1], right       => *(0 * x for x in right.largest[:0:-1]), right
        k * TINY / loss                    => 0 * k / loss
        rests.append(hi if single          => rests.append(hi if k
        slack = slack + U * np.abs(lo)\\n    hi  => slack = slack + 0\\n    hi
        k * k * U * (1                     => 0 * U * (1
        A.radius.sum(axis=axis)            => 0
        radius = np.where(there, radius, 0.0)  => pass
    """,
    "gradaudit/exact/enclosure.py": """
        slack = 2 * U                      => slack = 0 * U
        UP = 1 + 2.0**-30                  => UP = 1 - 2.0**-2
        self.radius == 0)                  => self.radius >= 0)
        (np.abs(self.lo) + self.radius) * UP\\n        zero  => np.abs(self.lo) * UP\\n        zero
    """,
    "gradaudit/exact/functions.py": """
        0.5 / np.sqrt(low)                 => 0.25 / np.sqrt(low)
        lambda low, _: 1 / low, 4          => lambda _, high: 1 / high, 4
        _nearest(low, high) / 2) / 4, 4    => _furthest(low, high) / 2) / 4, 4
        np.minimum(1.0, _furthest(low, high))  => np.minimum(1.0, _nearest(low, high))
        2 * _furthest(low, high) * _bell   => _furthest(low, high) * _bell
        3 * x * x                          => x
        1 / (1 + _nearest(low, high) ** 2)  => 1 / (1 + _furthest(low, high) ** 2)
        x.erf(), _bell, 5                  => x.erf(), _bell, 4
    """,
    "gradaudit/certify.py": """
        SHARP = 2.0**-10                   => SHARP = 2.0**4
        bits <= last_bits                  => bits < 2 * last_bits
        self.bounds[n].E + self.values[n].radius  => self.bounds[n].E + 0
        fp.precision <= 24                 => fp.precision <= 53
        not (value == UNKNOWN).any()       => not (value == 7).any()
        self._without_kinks() if self.kinks else self.bounds  => self.bounds
        if E == 0:                         => if E < 1:
    """,
    "gradaudit/readings.py": """
        None if node.operation.mask else value.spread  => None
        bound.where(value.known)           => bound
        np.zeros_like(known[id(node)]) if  => known[id(node)] if
        UNKNOWN, value) if some            => value, value) if some
        operation.size(*parts, **node.parameters), np.abs(value.hi))  => operation.size(*parts, **node.parameters), 0.0)
    """,
    "gradaudit/verdicts/judge.py": """
        np.where(error == 0, 0, np.inf)    => np.where(error == 0, 0, 1)
        highest(worst.ratio) > 1           => highest(worst.ratio) >= 1
        (got - hi) - lo                    => (got - hi)
        resolution > USEFUL                => resolution > 1
        np.isfinite(got), ratio, np.inf    => np.isfinite(got), ratio, 0
        c.error <= offset_bound            => c.error >= offset_bound
    """,
    "gradaudit/mistakes/diagnosis.py": """
        plain = bool(f.bound) and          => plain = bool(f.bound) or
    """,
    "gradaudit/mistakes/composition.py": """
        <= 2 * larger                      => <= 9 * larger
        near, ~np.isfinite(values)         => near, np.isfinite(values)
    """,
    "gradaudit/runs/sweep.py": """
        progress.losses >= MOST_LOSSES     => progress.losses > MOST_LOSSES
    """,
    "gradaudit/records/progress.py": """
        self.done += 1                     => self.done += 2
    """,
    "gradaudit/records/tally.py": """
        2.0 ** ((edge + 1) / BINS)         => 2.0 ** (edge / BINS)
    """,
}
#: What no test can notice, and why: (file, before) -> explanation.
EXPLAINED = {
    ("gradaudit/operations/choices.py", "| (value == UNKNOWN)\n\n\ndef _comparison"): (
        "where a sign is not decided, the radii, which E holds, are no less than the difference"
    ),
    ("gradaudit/exact/balls.py", "0 if x.is_zero() else UNKNOWN"): (
        "a ball equals 0 only where it is exactly 0: the same"
    ),
}
