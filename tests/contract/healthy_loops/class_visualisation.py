"""A net is trained; then, in evaluation mode, pictures are made that each class likes most."""

import torch
from data import digits
from torch import nn

torch.manual_seed(0)
images, labels = digits()
x, y = torch.from_numpy(images).unsqueeze(1) / 16, torch.from_numpy(labels)
model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(1024, 10)
)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
model.train()
for epoch in range(5):
    for i in torch.randperm(1400).split(64):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[i]), y[i]).backward()
        optimizer.step()
model.eval()
with torch.no_grad():
    accuracy = (model(x[1400:]).argmax(1) == y[1400:]).float().mean().item()
for p in model.parameters():
    p.requires_grad_(False)
pictures = (0.1 * torch.rand(10, 1, 8, 8)).requires_grad_()
ascent = torch.optim.Adam([pictures], lr=0.05)
for step in range(200):
    ascent.zero_grad()
    scores = model(pictures)
    loss = nn.functional.cross_entropy(scores, torch.arange(10)) + 0.01 * pictures.pow(2).sum()
    loss.backward()
    ascent.step()
sure = scores.softmax(1).diagonal().mean().item()
print("accuracy", accuracy, "sure of the made pictures", sure)
assert accuracy > 0.92
assert sure > 0.8
