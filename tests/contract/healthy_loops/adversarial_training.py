"""Training on examples made adversarial by one signed step, evaluated on clean and on attacked ones."""

import torch
import torch.nn.functional as F
from data import digits
from torch import nn

torch.manual_seed(0)
images, labels = digits()
x, y = torch.from_numpy(images).flatten(1) / 16, torch.from_numpy(labels)
model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.1), nn.Linear(128, 10))
opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def attack(inputs, targets, eps):
    inputs = inputs.clone().requires_grad_(True)
    loss = F.cross_entropy(model(inputs), targets)
    (g,) = torch.autograd.grad(loss, inputs)
    return (inputs + eps * g.sign()).clamp(0, 1).detach()


for epoch in range(12):
    for i in torch.randperm(1400).split(64):
        model.eval()
        bad = attack(x[i], y[i], 0.05)
        model.train()
        loss = F.cross_entropy(model(bad), y[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    attacked = attack(x[1400:], y[1400:], 0.05)
    with torch.no_grad():
        robust = (model(attacked).argmax(1) == y[1400:]).float().mean().item()
        clean = (model(x[1400:]).argmax(1) == y[1400:]).float().mean().item()
print("clean", clean, "attacked", robust)
assert clean > 0.9
assert robust > 0.7
