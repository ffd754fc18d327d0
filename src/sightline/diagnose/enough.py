"""How a watch ends a loop that it has seen enough of."""


class EnoughSeen(BaseException):
    """Raised out of an optimiser's step once as many updates are made as were to be seen.

    No ``Exception``: a program that catches those does not go on.

    Example:
        >>> issubclass(EnoughSeen, Exception)
        False
    """
