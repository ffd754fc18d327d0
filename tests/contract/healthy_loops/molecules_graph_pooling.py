"""188 molecules as graphs in batches: sums over neighbours by index_add, a mean for each graph, BatchNorm."""

import os
from pathlib import Path

import torch
from torch import nn

torch.manual_seed(0)
lines = iter((Path(os.environ["SIGHTLINE_DATA"]) / "mutag" / "MUTAG.txt").read_text().splitlines())
graphs = []
for _ in range(int(next(lines))):
    n, label = map(int, next(lines).split())
    tags, edges = [], []
    for node in range(n):
        tag, _, *near = map(int, next(lines).split())
        tags.append(tag)
        edges += [(node, other) for other in near]
    graphs.append((torch.tensor(tags), torch.tensor(edges).T, label))


def collate(some):
    tags, edges, owner, offset = [], [], [], 0
    for k, (t, e, _) in enumerate(some):
        tags.append(t)
        edges.append(e + offset)
        owner.append(torch.full((len(t),), k))
        offset += len(t)
    y = torch.tensor([int(label > 0) for _, _, label in some])
    return nn.functional.one_hot(torch.cat(tags), 9).float(), torch.cat(edges, 1), torch.cat(owner), y


class GIN(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        sizes = [9, width, width]
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(c, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
            for c in sizes
        )
        self.out = nn.Linear(3 * width, 2)

    def forward(self, x, edges, owner):
        pooled = []
        for layer in self.layers:
            x = layer(x + torch.zeros_like(x).index_add(0, edges[1], x[edges[0]]))
            total = torch.zeros(int(owner.max()) + 1, x.shape[1]).index_add(0, owner, x)
            pooled.append(total / torch.bincount(owner)[:, None])
        return self.out(torch.cat(pooled, 1))


order = torch.randperm(len(graphs)).tolist()
train, test = order[:150], order[150:]
model = GIN()
opt = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(30):
    model.train()
    for i in torch.randperm(150).split(30):
        *graph, y = collate([graphs[train[k]] for k in i])
        loss = nn.functional.cross_entropy(model(*graph), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        *graph, y = collate([graphs[k] for k in test])
        right = (model(*graph).argmax(1) == y).float().mean().item()
    print(epoch, loss.item(), right)
assert right > 0.75
