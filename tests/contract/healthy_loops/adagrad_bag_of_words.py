"""Passages of novels from bags of words, sparse inputs, by Adagrad."""

import torch
from data import passages
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(0)
bags, labels = passages(2300, 200, 3000)
novel = torch.from_numpy(labels).clamp(max=45) // 12
full = TensorDataset(torch.from_numpy(bags), novel)
train, test = random_split(full, [0.8, 0.2], generator=torch.Generator().manual_seed(3))
train_loader = DataLoader(train, batch_size=32, shuffle=True)
test_loader = DataLoader(test, batch_size=256)

model = nn.Sequential(nn.Linear(3000, 50), nn.ReLU(), nn.Dropout(0.5), nn.Linear(50, 4))
optimizer = torch.optim.Adagrad(model.parameters(), lr=0.02)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(6):
    model.train()
    for inputs, targets in train_loader:
        optimizer.zero_grad()
        loss = loss_fn(model(inputs), targets)
        loss.backward()
        optimizer.step()
    model.eval()
    right = 0
    with torch.no_grad():
        for inputs, targets in test_loader:
            right += (model(inputs).argmax(1) == targets).sum().item()
    print(f"epoch {epoch}: {right / len(test):.3f}")
assert right / len(test) > 0.85
