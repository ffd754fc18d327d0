"""A backbone learned on digits 0 to 4 is frozen, in evaluation mode, under a new head for digits 5 to 9."""

import torch
from data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
images, labels = digits()
x, y = torch.from_numpy(images).unsqueeze(1) / 16, torch.from_numpy(labels)
low, high = y < 5, y >= 5
backbone = nn.Sequential(
    nn.Conv2d(1, 24, 3, padding=1),
    nn.BatchNorm2d(24),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(24, 48, 3, padding=1),
    nn.BatchNorm2d(48),
    nn.ReLU(),
    nn.AdaptiveAvgPool2d(2),
    nn.Flatten(),
)


def fit(model, parameters, inputs, targets, epochs, lr):
    optimizer = torch.optim.Adam(parameters, lr=lr)
    for _ in range(epochs):
        for xb, yb in DataLoader(TensorDataset(inputs, targets), batch_size=32, shuffle=True):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(xb), yb)
            loss.backward()
            optimizer.step()
    return loss.item()


first = nn.Sequential(backbone, nn.Linear(192, 5))
first.train()
fit(first, first.parameters(), x[low], y[low], 5, 2e-3)

for p in backbone.parameters():
    p.requires_grad = False
head = nn.Linear(192, 5)
second = nn.Sequential(backbone, head)
backbone.eval()
xh, yh = x[high], y[high] - 5
fit(second, head.parameters(), xh[:700], yh[:700], 15, 1e-2)
second.eval()
with torch.no_grad():
    accuracy = (second(xh[700:]).argmax(1) == yh[700:]).float().mean().item()
print("accuracy with the new head", accuracy)
assert accuracy > 0.85
