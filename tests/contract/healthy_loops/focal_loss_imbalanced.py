"""One digit against all others with a focal loss, judged by F1."""

import torch
from data import digits
from sklearn.metrics import f1_score
from torch import nn

torch.manual_seed(0)
images, labels = digits()
x = torch.from_numpy(images).flatten(1) / 16
y = torch.from_numpy((labels == 8).astype("float32"))
perm = torch.randperm(len(x))
tr, te = perm[:1300], perm[1300:]


class FocalLoss(nn.Module):
    def __init__(self, alpha=0.75, gamma=2.0):
        super().__init__()
        self.alpha, self.gamma = alpha, gamma

    def forward(self, logits, targets):
        ce = nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        p_t = torch.exp(-ce)
        weight = self.alpha * targets + (1 - self.alpha) * (1 - targets)
        return (weight * (1 - p_t) ** self.gamma * ce).mean()


model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
criterion, optimizer = FocalLoss(), torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(25):
    model.train()
    for i in tr[torch.randperm(len(tr))].split(64):
        optimizer.zero_grad()
        loss = criterion(model(x[i]).squeeze(1), y[i])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        score = f1_score(y[te], (model(x[te]).squeeze(1) > 0).float())
print("f1", score)
assert score > 0.85
