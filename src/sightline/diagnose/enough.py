"""How a watch ends a loop that it has seen enough of."""


class EnoughSeen(BaseException):
    """Raised out of an optimiser's step once as many updates are made as were to be seen.

    No ``Exception``: a program that catches those goes on not.

    Example:
        >>> issubclass(EnoughSeen, Exception)
        False
    """
