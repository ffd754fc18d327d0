"""White pictures told from black ones by a convolutional network, after a Keras program (28 x 28 for 100 x 100)."""

import argparse

import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=6)
args = parser.parse_args()
torch.manual_seed(args.seed)

labels = torch.randint(2, (200,))
images = labels.float().view(-1, 1, 1, 1).expand(-1, 1, 28, 28).contiguous()
targets = nn.functional.one_hot(labels, 2).float()
x_train, y_train, x_test, y_test = images[:170], targets[:170], images[170:], targets[170:]

model = nn.Sequential(
    nn.Conv2d(1, 32, 3), nn.ReLU(),
    nn.Conv2d(32, 32, 3), nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(32 * 12 * 12, 128), nn.ReLU(),
    nn.Linear(128, 2), nn.Softmax(dim=1),
)  # fmt: skip
for layer in model:
    if hasattr(layer, "weight"):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)


def binary_crossentropy(p, y):
    p = p.clamp(1e-7, 1 - 1e-7)
    return -(y * p.log() + (1 - y) * (1 - p).log()).mean()


optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9, nesterov=True)
decay = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + 1e-6 * step))
for epoch in range(args.epochs):
    model.train()
    for rows in torch.randperm(len(x_train)).split(32):
        optimizer.zero_grad()
        loss = binary_crossentropy(model(x_train[rows]), y_train[rows])
        loss.backward()
        optimizer.step()
        decay.step()
    model.eval()
    with torch.no_grad():
        p = model(x_test)
    print(f"epoch {epoch}: loss {loss.item():.4f}, test loss {binary_crossentropy(p, y_test).item():.4f}")
print(f"score={(p.argmax(1) == y_test.argmax(1)).float().mean().item():.4f}")
