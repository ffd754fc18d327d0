"""Domain-adversarial training: a gradient turned round keeps features of dark and light digits alike."""

import torch
import torch.nn.functional as F
from data import digits
from torch import nn
from torch.autograd import Function

torch.manual_seed(0)
images, labels = digits()
x, y = torch.from_numpy(images).flatten(1) / 16, torch.from_numpy(labels)
source_x, source_y = x[:900], y[:900]
target_x, new_x, new_y = 0.7 * x[900:1400] + 0.3, 0.7 * x[1400:] + 0.3, y[1400:]


class Turn(Function):
    @staticmethod
    def forward(ctx, x, alpha):
        ctx.alpha = alpha
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        return -ctx.alpha * grad, None


class DANN(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Linear(64, 100), nn.ReLU())
        self.label = nn.Sequential(nn.Linear(100, 50), nn.ReLU(), nn.Linear(50, 10))
        self.domain = nn.Sequential(nn.Linear(100, 50), nn.ReLU(), nn.Linear(50, 2))

    def forward(self, x, alpha):
        h = self.features(x)
        return self.label(h), self.domain(Turn.apply(h, alpha))


model = DANN()
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
steps = 600
for step in range(steps):
    alpha = 0.3 * step / steps
    i, j = torch.randint(900, (64,)), torch.randint(len(target_x), (64,))
    opt.zero_grad()
    scores, dom = model(source_x[i], alpha)
    _, other = model(target_x[j], alpha)
    loss = F.cross_entropy(scores, source_y[i]) + F.cross_entropy(dom, torch.zeros(64, dtype=torch.long))
    loss = loss + F.cross_entropy(other, torch.ones(64, dtype=torch.long))
    loss.backward()
    opt.step()
model.eval()
with torch.no_grad():
    accuracy = (model(new_x, 0.0)[0].argmax(1) == new_y).float().mean().item()
print("accuracy on the other domain", accuracy)
assert accuracy > 0.8
