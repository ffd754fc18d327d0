import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from data import cifar10
from torch.utils.data import DataLoader, Dataset


class Cifar(Dataset):
    def __init__(self, split, count, augment):
        images, self.labels = cifar10(split, count)
        x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255.0
        x = F.avg_pool2d(x, 2)  # 16 x 16 is enough for a laptop
        self.images = (x - 0.47) / 0.25
        self.augment = augment

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        image, label = self.images[index], int(self.labels[index])
        if self.augment and torch.rand(()) < 0.5:
            image = image.flip(-1)
        return image, label


class BasicBlock(nn.Module):
    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.shortcut = nn.Identity()
        if stride != 1 or c_in != c_out:
            self.shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self, width=8, num_classes=10):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.layer1 = BasicBlock(width, width, 1)
        self.layer2 = BasicBlock(width, 2 * width, 2)
        self.layer3 = BasicBlock(2 * width, 4 * width, 2)
        self.fc = nn.Linear(4 * width, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(self.stem(x))))
        return self.fc(x.mean(dim=(2, 3)))


def main(args):
    torch.manual_seed(args.seed)
    train_loader = DataLoader(Cifar("train", 1280, augment=True), batch_size=64, shuffle=True, drop_last=True)
    test_loader = DataLoader(Cifar("test", 600, augment=False), batch_size=200)
    net = ResNet()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    steps = args.epochs * len(train_loader)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=steps)

    for epoch in range(args.epochs):
        net.train()
        running = 0.0
        for images, labels in train_loader:
            optimizer.zero_grad(set_to_none=True)
            loss = criterion(net(images), labels)
            loss.backward()
            optimizer.step()
            scheduler.step()
            running += loss.item()
        print(f"[{epoch + 1}/{args.epochs}] loss={running / len(train_loader):.3f}")

    net.eval()
    hits = total = 0
    with torch.no_grad():
        for images, labels in test_loader:
            hits += (net(images).argmax(1) == labels).sum().item()
            total += labels.numel()
    print(f"score={hits / total:.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=5)
    main(parser.parse_args())
