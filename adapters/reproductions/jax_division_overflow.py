"""jax: the derivative of x / y by y is -x y^-2, and y^2 overflows or vanishes for ordinary derivatives."""

import jax

large = jax.grad(lambda y: 1e20 / y)(1e20)
small = jax.grad(lambda y: 1e-25 / y)(1e-25)
print(f"jax {jax.__version__}: d (1e20 / y) / dy at 1e20 is {large}, exact -1e-20")
print(f"d (1e-25 / y) / dy at 1e-25 is {small}, exact -1e25")
raise SystemExit(large == 0 or abs(small / -1e25 - 1) > 1e-6)
