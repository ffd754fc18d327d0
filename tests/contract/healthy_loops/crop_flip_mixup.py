"""CIFAR-10, two classes, with padded crops, flips and mixup; a small residual net with GroupNorm."""

import torch
import torch.nn.functional as F
from data import cifar10
from torch import nn

torch.manual_seed(0)
images, labels = cifar10("train", 6000)
pick = (labels == 1) | (labels == 4)
x = (torch.from_numpy(images[pick]).permute(0, 3, 1, 2).float() / 255 - 0.47) / 0.25
y = torch.from_numpy((labels[pick] == 4).astype("int64"))
x = F.avg_pool2d(x, 2)
cut = len(y) - 250


class Block(nn.Module):
    def __init__(self, c, d, stride):
        super().__init__()
        self.a, self.b = nn.Conv2d(c, d, 3, stride, 1), nn.Conv2d(d, d, 3, 1, 1)
        self.n, self.m = nn.GroupNorm(4, d), nn.GroupNorm(4, d)
        self.skip = nn.Conv2d(c, d, 1, stride) if c != d else nn.Identity()

    def forward(self, x):
        return F.relu(self.m(self.b(F.relu(self.n(self.a(x))))) + self.skip(x))


net = nn.Sequential(Block(3, 16, 1), Block(16, 32, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 2))


def augment(batch):
    batch = F.pad(batch, (2, 2, 2, 2))
    i, j = torch.randint(0, 5, (2,)).tolist()
    batch = batch[:, :, i : i + 16, j : j + 16]
    return torch.where(torch.rand(len(batch), 1, 1, 1) < 0.5, batch.flip(3), batch)


opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=True)
epochs = 10
sched = torch.optim.lr_scheduler.MultiStepLR(opt, [6, 8], gamma=0.1)
for epoch in range(epochs):
    net.train()
    for i in torch.randperm(cut).split(50):
        xb, yb = augment(x[i]), y[i]
        lam = torch.distributions.Beta(0.3, 0.3).sample().item()
        other = torch.randperm(len(i))
        out = net(lam * xb + (1 - lam) * xb[other])
        loss = lam * F.cross_entropy(out, yb) + (1 - lam) * F.cross_entropy(out, yb[other])
        opt.zero_grad()
        loss.backward()
        opt.step()
    sched.step()
    net.eval()
    with torch.no_grad():
        out = net(x[cut:])
        accuracy = (out.argmax(1) == y[cut:]).float().mean().item()
    print(epoch, F.cross_entropy(out, y[cut:]).item(), accuracy)
assert accuracy > 0.77
