"""Instruments: what a network is and does, measured on any ``torch.nn.Module``."""
