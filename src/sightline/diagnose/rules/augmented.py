"""What rules on inputs that are altered in training share: the call that alters them."""

from sightline.diagnose.reading import Reading
from sightline.diagnose.tape import Call
from sightline.diagnose.tape_paths import ancestors

AUGMENTING = frozenset(
    ["flip", "fliplr", "flipud", "transpose", "rot90", "roll", "permute", "affine_grid", "grid_sample", "masked_fill"]
) | {"rand", "randn", "rand_like", "randn_like", "bernoulli", "normal", "dropout"}
"""Functions that move the numbers of a picture, or draw noise for it."""


def augmenting(r: Reading) -> Call | None:
    """The call in the loop itself that changes what the network is given in training, if there is one."""
    for look in r.looks:
        for e in look.entries:
            if e.grad and e.producers:
                made = (look.tape.calls[i] for i in sorted(ancestors(look.tape, e.producers[0]), reverse=True))
                found = next((call for call in made if call.name in AUGMENTING and not call.module), None)
                if found is not None:
                    return found
    return None
