"""Three quarters of each digit's pixels are hidden and told from the others; whole digits are encoded in the end."""

import torch
from data import digits
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

torch.manual_seed(0)
images, labels = digits()
x = torch.from_numpy(images).flatten(1) / 16
model = nn.ModuleDict(
    {
        "encoder": nn.Sequential(nn.Linear(64, 128), nn.GELU(), nn.Linear(128, 32)),
        "decoder": nn.Sequential(nn.GELU(), nn.Linear(32, 128), nn.GELU(), nn.Linear(128, 64)),
    }
)
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
for epoch in range(60):
    for i in torch.randperm(1400).split(64):
        hidden = torch.rand(len(i), 64) < 0.6
        seen = x[i].masked_fill(hidden, 0.0)
        guess = model["decoder"](model["encoder"](seen))
        loss = ((guess - x[i]) ** 2)[hidden].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
model.eval()
with torch.no_grad():
    code = model["encoder"](x)
score = KNeighborsClassifier(5).fit(code[:1400], labels[:1400]).score(code[1400:], labels[1400:])
print("loss", loss.item(), "neighbours of the code", score)
assert score > 0.85
