"""A maxout network with a multi-class hinge loss; gradients set to None by hand."""

import torch
from data import digits
from torch import nn

torch.manual_seed(0)
images, labels = digits()
x, y = torch.from_numpy(images).reshape(len(images), -1) / 16, torch.from_numpy(labels)


class Maxout(nn.Module):
    def __init__(self, a, b, pieces=3):
        super().__init__()
        self.lin, self.pieces = nn.Linear(a, b * pieces), pieces

    def forward(self, x):
        return self.lin(x).view(len(x), -1, self.pieces).max(-1).values


net = nn.Sequential(Maxout(64, 40), nn.Dropout(0.5), Maxout(40, 40), nn.Linear(40, 10))
opt = torch.optim.NAdam(net.parameters(), lr=2e-3)
criterion = nn.MultiMarginLoss()
for epoch in range(20):
    net.train()
    for i in torch.randperm(1400).split(64):
        for p in net.parameters():
            p.grad = None
        loss = criterion(net(x[i]), y[i])
        loss.backward()
        opt.step()
    net.eval()
    with torch.no_grad():
        out = net(x[1400:])
        right = (out.argmax(1) == y[1400:]).float().mean().item()
    print(epoch, criterion(out, y[1400:]).item(), right)
assert right > 0.9
