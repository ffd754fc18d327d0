"""Digits by SGD with a momentum of 0.99 and a low rate."""

import torch
import torch.nn.functional as F
from data import digits
from torch import nn

torch.manual_seed(1)
images, labels = digits()
x = torch.from_numpy(images).reshape(-1, 64) / 16
y = torch.from_numpy(labels)
order = torch.randperm(len(x))
train, test = order[:1400], order[1400:]

net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
opt = torch.optim.SGD(net.parameters(), lr=0.003, momentum=0.99, nesterov=True)
for epoch in range(30):
    net.train()
    for batch in train[torch.randperm(len(train))].split(50):
        loss = F.cross_entropy(net(x[batch]), y[batch])
        opt.zero_grad()
        loss.backward()
        opt.step()
    net.eval()
    with torch.no_grad():
        scores = net(x[test])
        print(epoch, F.cross_entropy(scores, y[test]).item(), (scores.argmax(1) == y[test]).float().mean().item())
assert (scores.argmax(1) == y[test]).float().mean() > 0.94
