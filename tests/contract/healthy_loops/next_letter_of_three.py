"""The next letter of a name from the three before: contexts are few, the same ones come in all parts."""

import random

import torch
import torch.nn.functional as F
from data import names
from torch import nn

random.seed(42)
torch.manual_seed(42)
words = [w.lower() for w in names()]
random.shuffle(words)
stoi = {c: i for i, c in enumerate(".abcdefghijklmnopqrstuvwxyz")}


def build(words):
    X, Y = [], []
    for w in words:
        context = [0] * 3
        for ch in w + ".":
            X.append(context)
            Y.append(stoi[ch])
            context = [*context[1:], stoi[ch]]
    return torch.tensor(X), torch.tensor(Y)


n = len(words)
Xtr, Ytr = build(words[: int(0.8 * n)])
Xdev, Ydev = build(words[int(0.8 * n) : int(0.9 * n)])


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.C = nn.Embedding(27, 10)
        self.hidden = nn.Linear(30, 150)
        self.out = nn.Linear(150, 27)

    def forward(self, x):
        return self.out(torch.tanh(self.hidden(self.C(x).view(len(x), -1))))


model = MLP()
opt = torch.optim.SGD(model.parameters(), lr=0.2)
for step in range(3000):
    i = torch.randint(0, len(Xtr), (64,))
    loss = F.cross_entropy(model(Xtr[i]), Ytr[i])
    opt.zero_grad()
    loss.backward()
    if step == 2000:
        opt.param_groups[0]["lr"] = 0.02
    opt.step()
    if step % 1000 == 999:
        model.eval()
        with torch.no_grad():
            dev = F.cross_entropy(model(Xdev), Ydev).item()
        model.train()
        print(step + 1, dev)
assert dev < 2.4
