"""The command ``sightline``: thin; each subcommand imports what it needs when it runs."""
