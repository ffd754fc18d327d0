"""Cox's partial likelihood by hand: who of those at risk dies first; half of the times are censored."""

import torch
from torch import nn

torch.manual_seed(0)
n = 1200
X = torch.randn(n, 8)
risk = X[:, 0] - 0.8 * X[:, 1] + 0.5 * X[:, 2] * X[:, 3]
time = torch.distributions.Exponential(risk.exp()).sample()
censor = torch.distributions.Exponential(torch.tensor(0.7)).sample((n,))
seen, event = torch.minimum(time, censor), time <= censor


def cox(score, seen, event):
    order = seen.argsort(descending=True)
    score, event = score[order], event[order]
    return -(score - torch.logcumsumexp(score, 0))[event].mean()


def concordance(score, seen, event):
    first = (seen[:, None] < seen[None]) & event[:, None]
    return ((score[:, None] > score[None]) & first).sum().item() / first.sum().item()


model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 1))
opt = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
for epoch in range(25):
    model.train()
    for i in torch.randperm(900).split(100):
        loss = cox(model(X[i]).squeeze(1), seen[i], event[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        c = concordance(model(X[900:]).squeeze(1), seen[900:], event[900:])
    print(epoch, loss.item(), c)
assert c > 0.68
