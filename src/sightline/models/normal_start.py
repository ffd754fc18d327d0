"""The first weights of GPT, BERT and BART."""

import math

from torch import nn

from sightline.nn.transformer_block import TransformerBlock


def start_normal(network: nn.Module, *, deviation: float = 0.02, residual_depth: int | None = None) -> None:
    """Weights of linear layers and embeddings normal with mean 0 and one deviation σ, biases 0.

    With ``residual_depth`` L, the layers that end a block's branch have σ/√(branches · L) instead: all branches
    together, 2L of them in a decoder alone, then add to a token what one of deviation σ would.

    Args:
        network: all of the layers; others than these stay as they are.
        deviation: σ.
        residual_depth: L; none: all layers alike.

    Source: Radford et al. 2018, "Improving Language Understanding by Generative Pre-Training", §4.1; the branches'
        factor Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", §2.3

    Lecture: T6, F13

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> block = TransformerBlock(width=64, num_heads=2, mlp_width=256)
        >>> start_normal(block, residual_depth=8)
        >>> round(block.expand.weight.std().item(), 3), round(block.contract.weight.std().item(), 3)
        (0.02, 0.005)
    """
    seen: set[int] = set()  # a tied weight is drawn once
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Embedding) and id(layer.weight) not in seen:
            seen.add(id(layer.weight))
            nn.init.normal_(layer.weight, std=deviation)
        if isinstance(layer, nn.Linear) and layer.bias is not None:
            nn.init.zeros_(layer.bias)
    if residual_depth is None:
        return
    for block in network.modules():
        if isinstance(block, TransformerBlock):
            ends = [block.attention.output, block.contract]
            if block.crosses:
                ends.append(block.cross_attention.output)
            for layer in ends:
                nn.init.normal_(layer.weight, std=deviation / math.sqrt(len(ends) * residual_depth))
