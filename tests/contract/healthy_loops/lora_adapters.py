"""Low-rank adapters, started at 0, let a classifier of upright digits read them upside down."""

import torch
from data import digits
from torch import nn

torch.manual_seed(0)
images, labels = digits()
x, y = torch.from_numpy(images) / 16, torch.from_numpy(labels)
turned = x.flip(1)
base = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))


class LoRA(nn.Module):
    def __init__(self, layer, rank=8):
        super().__init__()
        self.layer = layer
        self.A = nn.Parameter(torch.randn(rank, layer.in_features) / layer.in_features**0.5)
        self.B = nn.Parameter(torch.zeros(layer.out_features, rank))

    def forward(self, x):
        return self.layer(x) + x @ self.A.T @ self.B.T


def train(model, inputs, lr, epochs):
    opt = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=lr)
    for _ in range(epochs):
        for i in torch.randperm(1400).split(64):
            opt.zero_grad()
            nn.functional.cross_entropy(model(inputs[i].flatten(1)), y[i]).backward()
            opt.step()


train(base, x, 2e-3, 12)
base.requires_grad_(False)
adapted = nn.Sequential(*(LoRA(m) if isinstance(m, nn.Linear) else m for m in base))
train(adapted, turned, 5e-3, 20)
with torch.no_grad():
    accuracy = (adapted(turned[1400:].flatten(1)).argmax(1) == y[1400:]).float().mean().item()
print("accuracy upside down", accuracy)
assert accuracy > 0.85
