"""BYOL: the slow target is a part of the module, and the optimiser is given all parameters."""

import copy

import torch
import torch.nn.functional as F
from data import digits
from sklearn.linear_model import LogisticRegression
from torch import nn

torch.manual_seed(0)
images, labels = digits()
x = torch.from_numpy(images).unsqueeze(1) / 16


class BYOL(nn.Module):
    def __init__(self):
        super().__init__()
        self.online = nn.Sequential(
            nn.Conv2d(1, 32, 3),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(1024, 64),
            nn.BatchNorm1d(64),
            nn.ReLU(),
            nn.Linear(64, 32),
        )
        self.target = copy.deepcopy(self.online)
        self.predictor = nn.Sequential(nn.Linear(32, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 32))

    @torch.no_grad()
    def follow(self, tau=0.95):
        for t, o in zip(self.target.parameters(), self.online.parameters()):
            t.data = tau * t.data + (1 - tau) * o.data

    def forward(self, a, b):
        with torch.no_grad():
            ta, tb = self.target(a), self.target(b)
        pa, pb = self.predictor(self.online(a)), self.predictor(self.online(b))
        return 4 - 2 * (F.cosine_similarity(pa, tb).mean() + F.cosine_similarity(pb, ta).mean())


def view(v):
    v = torch.roll(v, torch.randint(-1, 2, (2,)).tolist(), (2, 3))
    return v + 0.15 * torch.randn_like(v)


model = BYOL()
opt = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.0)
for epoch in range(6):
    for i in torch.randperm(1400).split(100):
        loss = model(view(x[i]), view(x[i]))
        opt.zero_grad()
        loss.backward()
        opt.step()
        model.follow()
    print(epoch, loss.item())
model.eval()
with torch.no_grad():
    z = model.online[:8](x).numpy()
score = LogisticRegression(max_iter=500).fit(z[:1400], labels[:1400]).score(z[1400:], labels[1400:])
print("probe", score)
assert score > 0.8
