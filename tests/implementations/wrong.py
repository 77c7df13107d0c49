"""Wrong implementations with two mistakes each: `PAIRS` says which; each is two changes of the canonical network."""

# mypy: ignore-errors

from audit.mistakes import MISTAKES, evaluate

PAIRS = {
    "one": ("mask_missing_in_b1", "l2_halved_in_loss"),
    "two": ("bias_regularised_in_gradient", "l2_missing_in_loss"),
    "three": ("a_for_h", "mask_forgotten"),
    "four": ("log_of_p_plus_1e-7", "mask_inverted"),
    "five": ("sum_in_loss", "l2_factor_missing"),
    "six": ("bias_averaged", "l2_missing_in_gradient"),
    "seven": ("mask_from_dh", "sum_in_loss"),
    "eight": ("relu_derivative_1_at_0", "bias_regularised_in_loss"),
    "nine": ("mean_missing", "l2_halved_in_loss"),
    "ten": ("sign", "l2_missing_in_loss"),
}


def both(names):
    changes = MISTAKES[names[0]].changes | MISTAKES[names[1]].changes

    def mistaken(X, y, W1, b1, W2, b2, reg):
        return evaluate(changes, X=X, y=y, W1=W1, b1=b1, W2=W2, b2=b2, reg=reg)

    return mistaken


one, two, three, four, five, six, seven, eight, nine, ten = (both(names) for names in PAIRS.values())


def unlike_any(X, y, W1, b1, W2, b2, reg):
    """No known mistake: W2's gradient times 3."""
    loss, g = evaluate({}, X=X, y=y, W1=W1, b1=b1, W2=W2, b2=b2, reg=reg)
    return loss, g | {"W2": 3 * g["W2"]}
