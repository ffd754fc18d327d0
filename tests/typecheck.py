"""The checker that every annotation of the package is held to while the tests run."""

from beartype import BeartypeConf, beartype

checker = beartype(conf=BeartypeConf(is_pep484_tower=True))
"""beartype, with an int where a float is asked for, as Python's own type rules have it."""
