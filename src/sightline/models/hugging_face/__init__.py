"""Checkpoints in the layout of Hugging Face's ``transformers``: one file a family says how its names become ours."""
