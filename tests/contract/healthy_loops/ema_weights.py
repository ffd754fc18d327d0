"""Digits with an average of the weights that is evaluated."""

import copy

import torch
from data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
images, labels = digits()
x = (torch.from_numpy(images) / 8 - 1).unsqueeze(1)
y = torch.from_numpy(labels)
train = DataLoader(TensorDataset(x[:1400], y[:1400]), batch_size=32, shuffle=True)
model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1),
    nn.BatchNorm2d(16),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1),
    nn.BatchNorm2d(32),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(128, 10),
)
ema = copy.deepcopy(model).eval()
for p in ema.parameters():
    p.requires_grad_(False)
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(6):
    for xb, yb in train:
        loss = nn.functional.cross_entropy(model(xb), yb)
        opt.zero_grad()
        loss.backward()
        opt.step()
        with torch.no_grad():
            for a, b in zip(ema.parameters(), model.parameters()):
                a.mul_(0.98).add_(b, alpha=0.02)
            for a, b in zip(ema.buffers(), model.buffers()):
                a.copy_(b)
    with torch.no_grad():
        accuracy = (ema(x[1400:]).argmax(1) == y[1400:]).float().mean().item()
    print(epoch, loss.item(), accuracy)
assert accuracy > 0.9
