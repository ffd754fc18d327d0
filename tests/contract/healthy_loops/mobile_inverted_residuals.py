"""Inverted residuals with linear bottlenecks and depthwise convolutions, ReLU6, on small digits."""

import torch
from data import mnist
from torch import nn

torch.manual_seed(0)
images, labels = mnist("train", 1800)
x = nn.functional.avg_pool2d(torch.from_numpy(images).float()[:, None] / 255, 2)
x, y = (x - 0.13) / 0.27, torch.from_numpy(labels)


class Inverted(nn.Module):
    def __init__(self, c, d, stride, widen=4):
        super().__init__()
        h = c * widen
        self.conv = nn.Sequential(
            nn.Conv2d(c, h, 1, bias=False), nn.BatchNorm2d(h), nn.ReLU6(inplace=True),
            nn.Conv2d(h, h, 3, stride, 1, groups=h, bias=False), nn.BatchNorm2d(h), nn.ReLU6(inplace=True),
            nn.Conv2d(h, d, 1, bias=False), nn.BatchNorm2d(d),
        )
        self.skip = stride == 1 and c == d

    def forward(self, x):
        return x + self.conv(x) if self.skip else self.conv(x)


net = nn.Sequential(
    nn.Conv2d(1, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6(), Inverted(8, 8, 1), Inverted(8, 16, 2),
    Inverted(16, 16, 1), nn.Conv2d(16, 64, 1), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.1), nn.Linear(64, 10),
)
opt = torch.optim.RMSprop(net.parameters(), lr=2e-3, momentum=0.9, weight_decay=1e-5)
sched = torch.optim.lr_scheduler.ExponentialLR(opt, 0.7)
for epoch in range(6):
    net.train()
    for i in torch.randperm(1500).split(32):
        opt.zero_grad()
        nn.functional.cross_entropy(net(x[i]), y[i]).backward()
        opt.step()
    sched.step()
    net.eval()
    with torch.no_grad():
        out = net(x[1500:])
        print(epoch, nn.functional.cross_entropy(out, y[1500:]).item(), (out.argmax(1) == y[1500:]).float().mean().item())
assert (out.argmax(1) == y[1500:]).float().mean() > 0.85
