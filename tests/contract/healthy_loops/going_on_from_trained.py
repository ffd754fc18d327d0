"""A net that is already good is saved, loaded and trained on at a low rate: the loss starts and ends near 0."""

import io

import torch
import torch.nn.functional as F
from data import digits
from torch import nn

torch.manual_seed(0)
images, labels = digits()
x, y = torch.from_numpy(images).flatten(1) / 16, torch.from_numpy(labels)


def build():
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))


def run(model, optimizer, epochs):
    for _ in range(epochs):
        model.train()
        for i in torch.randperm(1400).split(100):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x[i]), y[i])
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            accuracy = (model(x[1400:]).argmax(1) == y[1400:]).float().mean().item()
    return loss.item(), accuracy


first = build()
optimizer = torch.optim.Adam(first.parameters(), lr=3e-3)
run(first, optimizer, 25)
file = io.BytesIO()
torch.save({"model": first.state_dict(), "optimizer": optimizer.state_dict()}, file)
file.seek(0)
state = torch.load(file)
second = build()
second.load_state_dict(state["model"])
optimizer = torch.optim.Adam(second.parameters(), lr=1e-4)
optimizer.load_state_dict(state["optimizer"])
for group in optimizer.param_groups:
    group["lr"] = 2e-4
loss, accuracy = run(second, optimizer, 10)
print("loss", loss, "accuracy", accuracy)
assert accuracy > 0.9
