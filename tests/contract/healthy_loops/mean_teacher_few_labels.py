"""A hundred labelled digits and a mean teacher: consistency under noise on all others."""

import copy

import torch
import torch.nn.functional as F
from data import digits
from torch import nn

torch.manual_seed(0)
images, labels = digits()
x, y = torch.from_numpy(images).flatten(1) / 16, torch.from_numpy(labels)
perm = torch.randperm(len(x))
labelled, unlabelled, test = perm[:120], perm[120:1400], perm[1400:]
student = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 10))
teacher = copy.deepcopy(student)
opt = torch.optim.Adam(student.parameters(), lr=2e-3)
for step in range(400):
    i, j = labelled[torch.randint(120, (40,))], unlabelled[torch.randint(len(unlabelled), (120,))]
    supervised = F.cross_entropy(student(x[i] + 0.05 * torch.randn(40, 64)), y[i])
    with torch.no_grad():
        wanted = teacher(x[j] + 0.05 * torch.randn(120, 64)).softmax(1)
    told = student(x[j] + 0.05 * torch.randn(120, 64)).softmax(1)
    loss = supervised + min(1.0, step / 200) * 5 * F.mse_loss(told, wanted)
    opt.zero_grad()
    loss.backward()
    opt.step()
    with torch.no_grad():
        a = min(0.98, (1 + step) / (10 + step))
        for slow, fast in zip(teacher.parameters(), student.parameters()):
            slow.lerp_(fast, 1 - a)
teacher.eval()
with torch.no_grad():
    accuracy = (teacher(x[test]).argmax(1) == y[test]).float().mean().item()
print("accuracy", accuracy)
assert accuracy > 0.85
