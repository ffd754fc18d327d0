"""Sharpness-aware minimisation written by hand: two gradients an update, at one place of the code."""

import torch
import torch.nn.functional as F
from data import digits
from torch import nn

torch.manual_seed(0)
images, labels = digits()
x, y = torch.from_numpy(images)[:, None] / 16.0, torch.from_numpy(labels)
perm = torch.randperm(len(x))
x, y = x[perm], y[perm]
xtr, ytr, xte, yte = x[:1500], y[:1500], x[1500:], y[1500:]

model = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10))
opt = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


def gradient(idx):
    opt.zero_grad()
    loss = F.cross_entropy(model(xtr[idx]), ytr[idx])
    loss.backward()
    return loss.item()


for epoch in range(8):
    for idx in torch.randperm(len(xtr)).split(64):
        gradient(idx)
        norm = torch.sqrt(sum(p.grad.pow(2).sum() for p in model.parameters()))
        with torch.no_grad():
            moves = [0.05 * p.grad / (norm + 1e-12) for p in model.parameters()]
            for p, e in zip(model.parameters(), moves):
                p.add_(e)
        loss = gradient(idx)
        with torch.no_grad():
            for p, e in zip(model.parameters(), moves):
                p.sub_(e)
        opt.step()
    with torch.no_grad():
        accuracy = (model(xte).argmax(1) == yte).float().mean().item()
    print(f"{epoch}: loss {loss:.3f}, accuracy {accuracy:.3f}")
assert accuracy > 0.95
