"""Contrastive learning of two noisy views, then a linear probe on frozen features."""

import torch
import torch.nn.functional as F
from data import digits
from sklearn.linear_model import LogisticRegression
from torch import nn

torch.manual_seed(0)
images, labels = digits()
x = torch.from_numpy(images).unsqueeze(1) / 16


def view(batch):
    shift = torch.randint(-1, 2, (2,)).tolist()
    batch = torch.roll(batch, shift, dims=(2, 3))
    return batch * (torch.rand_like(batch) > 0.15) + 0.1 * torch.randn_like(batch)


encoder = nn.Sequential(
    nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.Flatten(), nn.Linear(1024, 64)
)
projector = nn.Sequential(nn.ReLU(), nn.Linear(64, 32))
opt = torch.optim.Adam([*encoder.parameters(), *projector.parameters()], lr=1e-3)
for epoch in range(10):
    for i in torch.randperm(1400).split(128):
        n = len(i)
        z = F.normalize(projector(encoder(torch.cat([view(x[i]), view(x[i])]))), dim=1)
        logits = z @ z.T / 0.3
        logits.fill_diagonal_(float("-inf"))
        loss = F.cross_entropy(logits, torch.cat([torch.arange(n, 2 * n), torch.arange(n)]))
        opt.zero_grad()
        loss.backward()
        opt.step()
    print(epoch, loss.item())
encoder.eval()
with torch.no_grad():
    features = encoder(x).numpy()
probe = LogisticRegression(max_iter=300).fit(features[:1400], labels[:1400])
score = probe.score(features[1400:], labels[1400:])
print("linear probe", score)
assert score > 0.8
