"""Fine-tuning in three stages, from the head downwards; each stage has an optimiser of its own."""

import torch
from data import mnist
from torch import nn

torch.manual_seed(0)
images, labels = mnist("train", 3000)
x, y = torch.from_numpy(images).float().flatten(1) / 255, torch.from_numpy(labels)
net = nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 50), nn.ReLU(), nn.Linear(50, 10))


def fit(indices, targets, parameters, lr, epochs):
    optimizer = torch.optim.Adam(parameters, lr=lr)
    for _ in range(epochs):
        net.train()
        for i in indices[torch.randperm(len(indices))].split(50):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(x[i]), targets[i])
            loss.backward()
            optimizer.step()


fit(torch.arange(2000), y, net.parameters(), 2e-3, 4)  # the task before
task = (y * 3 + 1) % 10  # the new one: other names for the digits
net[4] = nn.Linear(50, 10)
for p in [*net[0].parameters(), *net[2].parameters()]:
    p.requires_grad = False
rows = torch.arange(2000, 2600)
fit(rows, task, net[4].parameters(), 1e-2, 4)
for p in net[2].parameters():
    p.requires_grad = True
fit(rows, task, [*net[2].parameters(), *net[4].parameters()], 1e-3, 3)
for p in net[0].parameters():
    p.requires_grad = True
fit(rows, task, net.parameters(), 3e-4, 3)
net.eval()
with torch.no_grad():
    accuracy = (net(x[2600:]).argmax(1) == task[2600:]).float().mean().item()
print("accuracy", accuracy)
assert accuracy > 0.85
