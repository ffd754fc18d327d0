"""Dropout left on in the end, on purpose: forty draws of each answer tell how sure it is."""

import torch
from data import digits
from torch import nn

torch.manual_seed(0)
images, labels = digits()
x, y = torch.from_numpy(images).flatten(1) / 16, torch.from_numpy(labels)
model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(10):
    model.train()
    for i in torch.randperm(1400).split(64):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[i]), y[i]).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        print(epoch, (model(x[1400:]).argmax(1) == y[1400:]).float().mean().item())
for module in model.modules():
    if isinstance(module, nn.Dropout):
        module.train()
model.train()
with torch.no_grad():
    draws = torch.stack([model(x[1400:]).softmax(1) for _ in range(40)])
mean, spread = draws.mean(0), draws.std(0).mean(1)
right = mean.argmax(1) == y[1400:]
print("accuracy", right.float().mean().item(), "spread", spread[right].mean().item(), spread[~right].mean().item())
assert right.float().mean() > 0.85
assert spread[~right].mean() > spread[right].mean()
