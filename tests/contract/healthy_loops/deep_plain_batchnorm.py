"""Fourteen convolutions with batch normalisation, no skips, MNIST at 14 x 14; validation in larger batches."""

import torch
import torch.nn.functional as F
from data import mnist
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
images, labels = mnist("train", 1700)
x = F.avg_pool2d(torch.from_numpy(images).float().unsqueeze(1) / 255, 2)
data = TensorDataset((x - x.mean()) / x.std(), torch.from_numpy(labels))
train, val = torch.utils.data.random_split(data, [1400, 300])
layers, c = [], 1
for i in range(14):
    d = 12 if i < 7 else 16
    layers += [
        nn.Conv2d(c, d, 3, stride=2 if i == 7 else 1, padding=1, bias=False),
        nn.BatchNorm2d(d),
        nn.ReLU(inplace=True),
    ]
    c = d
model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
for m in model.modules():
    if isinstance(m, nn.Conv2d):
        nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
epochs, batches = 5, 44
sched = torch.optim.lr_scheduler.LambdaLR(opt, lambda s: min(1, (s + 1) / 40) * max(0.02, 1 - s / (epochs * batches)))
for epoch in range(epochs):
    model.train()
    for xb, yb in DataLoader(train, batch_size=32, shuffle=True):
        opt.zero_grad()
        loss = F.cross_entropy(model(xb), yb)
        loss.backward()
        opt.step()
        sched.step()
    model.eval()
    with torch.no_grad():
        for xb, yb in DataLoader(val, batch_size=300):
            out = model(xb)
            print(epoch, F.cross_entropy(out, yb).item(), (out.argmax(1) == yb).float().mean().item())
assert (out.argmax(1) == yb).float().mean() > 0.85
