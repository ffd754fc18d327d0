"""Layers and blocks that networks are put together from."""
