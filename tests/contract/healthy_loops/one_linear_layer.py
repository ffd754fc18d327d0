"""Softmax regression on MNIST, one linear layer, SGD without momentum, two passes."""

import torch
import torch.nn as nn
from data import mnist
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
sets = []
for split, n in (("train", 6000), ("test", 1000)):
    images, labels = mnist(split, n)
    sets.append(TensorDataset(torch.tensor(images, dtype=torch.float32) / 255, torch.tensor(labels)))
model = nn.Linear(784, 10)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    running = 0.0
    for i, (images, labels) in enumerate(DataLoader(sets[0], 50, shuffle=True)):
        images = images.view(-1, 28 * 28)
        outputs = model(images)
        loss = criterion(outputs, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running += loss.item()
    print(f"epoch {epoch + 1}, loss {running / (i + 1):.4f}")
correct = total = 0
with torch.no_grad():
    for images, labels in DataLoader(sets[1], 100):
        _, predicted = torch.max(model(images.reshape(-1, 784)).data, 1)
        total += labels.size(0)
        correct += (predicted == labels).sum()
print(f"accuracy {100 * correct / total:.1f} %")
assert correct / total > 0.84
