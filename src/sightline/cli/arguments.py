"""Reading a subcommand's words with argparse, its complaints turned into three-part errors."""

import argparse
from typing import NoReturn

from sightline.core.errors import ConfigurationError


class Arguments(argparse.ArgumentParser):
    """An argument parser for one subcommand.

    Args:
        command: the subcommand's name.
        description: what it does, for ``--help``.

    Raises:
        ConfigurationError: instead of argparse's own exit.
    """

    def __init__(self, command: str, description: str) -> None:
        super().__init__(
            prog=f"sightline {command}",
            description=description,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        """Tell what was wrong with the words."""
        raise ConfigurationError(
            expected=self.format_usage().removeprefix("usage: ").strip(),
            found=message,
            do=f"see `{self.prog} --help`",
        )
