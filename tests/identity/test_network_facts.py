"""An optimiser's settings as a record keeps them."""

import torch
from torch import nn
from torch.optim import Adam

from sightline.diagnose.network_facts import groups_of


def test_numbers_that_are_tensors_are_kept_as_numbers() -> None:
    net = nn.Linear(2, 1)
    rate, betas = torch.tensor(0.25), (torch.tensor(0.5), torch.tensor(0.75))
    plain, tensors = (
        groups_of(Adam(net.parameters(), lr=lr, betas=pair, foreach=False, capturable=True), set())[0]
        for lr, pair in ((0.25, (0.5, 0.75)), (rate, betas))
    )
    assert tensors.settings == plain.settings
    assert (tensors.settings["lr"], tensors.settings["betas"]) == (0.25, "(0.5, 0.75)")
    assert tensors.settings["weight_decay"] == 0
    assert tensors.parameters == 3
