"""A large teacher, then a small student that follows its softened answers."""

import torch
import torch.nn.functional as F
from data import mnist
from torch import nn

torch.manual_seed(0)
images, labels = mnist("train", 3000)
x, y = torch.from_numpy(images).float().flatten(1) / 255, torch.from_numpy(labels)
train, test = slice(0, 2500), slice(2500, None)
teacher = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Dropout(0.3), nn.Linear(256, 10))
student = nn.Sequential(nn.Linear(784, 20), nn.ReLU(), nn.Linear(20, 10))


def accuracy(net):
    net.eval()
    with torch.no_grad():
        return (net(x[test]).argmax(1) == y[test]).float().mean().item()


opt = torch.optim.Adam(teacher.parameters(), lr=1e-3)
for epoch in range(6):
    teacher.train()
    for i in torch.randperm(2500).split(50):
        opt.zero_grad()
        F.cross_entropy(teacher(x[i]), y[i]).backward()
        opt.step()
print("teacher", accuracy(teacher))
opt, T = torch.optim.Adam(student.parameters(), lr=3e-3), 4.0
for epoch in range(10):
    student.train()
    for i in torch.randperm(2500).split(50):
        with torch.no_grad():
            soft = F.softmax(teacher(x[i]) / T, dim=1)
        scores = student(x[i])
        loss = F.kl_div(F.log_softmax(scores / T, dim=1), soft, reduction="batchmean") * T * T
        loss = 0.7 * loss + 0.3 * F.cross_entropy(scores, y[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
print("student", accuracy(student))
assert accuracy(student) > 0.85
