"""SimSiam: no negatives, a predictor, and a stop-gradient; the loss is a negative cosine."""

import torch
import torch.nn.functional as F
from data import mnist
from sklearn.linear_model import LogisticRegression
from torch import nn

torch.manual_seed(0)
images, labels = mnist("train", 1800)
x = torch.from_numpy(images).float()[:, None] / 255


class SimSiam(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 16, 3, 2, 1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(1568, 64, bias=False),
            nn.BatchNorm1d(64, affine=False),
        )
        self.predictor = nn.Sequential(nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 64))

    def forward(self, a, b):
        za, zb = self.encoder(a), self.encoder(b)
        return self.predictor(za), self.predictor(zb), za.detach(), zb.detach()


def crop(batch):
    i, j = torch.randint(0, 7, (2,)).tolist()
    return F.interpolate(batch[:, :, i : i + 22, j : j + 22], 28) + 0.1 * torch.randn(len(batch), 1, 28, 28)


model = SimSiam()
opt = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
for epoch in range(4):
    for i in torch.randperm(len(x)).split(100):
        pa, pb, za, zb = model(crop(x[i]), crop(x[i]))
        loss = -(F.cosine_similarity(pa, zb).mean() + F.cosine_similarity(pb, za).mean()) / 2
        opt.zero_grad()
        loss.backward()
        opt.step()
    print(epoch, loss.item(), F.normalize(za, dim=1).std(0).mean().item())
model.eval()
with torch.no_grad():
    z = model.encoder(x).numpy()
score = LogisticRegression(max_iter=200).fit(z[:1300], labels[:1300]).score(z[1300:], labels[1300:])
print("probe", score)
assert score > 0.75
