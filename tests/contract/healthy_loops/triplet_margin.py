"""Metric learning by triplets mined in the batch; the loss stays near the margin's fraction, retrieval is good."""

import torch
import torch.nn.functional as F
from data import digits
from torch import nn

torch.manual_seed(0)
images, labels = digits()
x, y = torch.from_numpy(images).flatten(1) / 16, torch.from_numpy(labels)
net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16))
opt = torch.optim.Adam(net.parameters(), lr=1e-3)
by_class = [torch.where(y[:1400] == c)[0] for c in range(10)]
for step in range(300):
    classes = torch.randperm(10)[:5]
    i = torch.cat([by_class[c][torch.randint(len(by_class[c]), (8,))] for c in classes.tolist()])
    z = F.normalize(net(x[i]), dim=1)
    d = torch.cdist(z, z)
    same = y[i][:, None] == y[i][None]
    hardest_positive = (d * same).amax(1)
    hardest_negative = (d + 10.0 * same).amin(1)
    loss = F.relu(hardest_positive - hardest_negative + 0.2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
with torch.no_grad():
    z = F.normalize(net(x), dim=1)
    nearest = torch.cdist(z[1400:], z[:1400]).argmin(1)
    recall = (y[:1400][nearest] == y[1400:]).float().mean().item()
print("recall at 1", recall, "loss", loss.item())
assert recall > 0.92
