"""The well-known first example on MNIST: two convolutions, log_softmax, nll_loss, Adadelta, StepLR."""

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from data import mnist
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, 1)
        self.conv2 = nn.Conv2d(16, 32, 3, 2)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(1152, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.max_pool2d(x, 2)
        x = self.dropout1(x)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = self.dropout2(x)
        return F.log_softmax(self.fc2(x), dim=1)


def train(model, loader, optimizer, epoch):
    model.train()
    for batch_idx, (data, target) in enumerate(loader):
        optimizer.zero_grad()
        output = model(data)
        loss = F.nll_loss(output, target)
        loss.backward()
        optimizer.step()
        if batch_idx % 10 == 0:
            print(f"Train Epoch: {epoch} [{batch_idx}]\tLoss: {loss.item():.6f}")


def test(model, loader):
    model.eval()
    test_loss, correct = 0, 0
    with torch.no_grad():
        for data, target in loader:
            output = model(data)
            test_loss += F.nll_loss(output, target, reduction="sum").item()
            pred = output.argmax(dim=1, keepdim=True)
            correct += pred.eq(target.view_as(pred)).sum().item()
    print(f"Test: average loss {test_loss / len(loader.dataset):.4f}, {correct}/{len(loader.dataset)}")
    return correct / len(loader.dataset)


def main():
    torch.manual_seed(1)
    sets = []
    for split, count in (("train", 3000), ("test", 1000)):
        images, labels = mnist(split, count)
        pictures = (torch.from_numpy(images).float().unsqueeze(1) / 255 - 0.1307) / 0.3081
        sets.append(TensorDataset(pictures, torch.from_numpy(labels)))
    train_loader, test_loader = DataLoader(sets[0], 64, shuffle=True), DataLoader(sets[1], 1000)
    model = Net()
    optimizer = optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = StepLR(optimizer, step_size=1, gamma=0.7)
    for epoch in range(1, 5):
        train(model, train_loader, optimizer, epoch)
        right = test(model, test_loader)
        scheduler.step()
    assert right > 0.88


if __name__ == "__main__":
    main()
