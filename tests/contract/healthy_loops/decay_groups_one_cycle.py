"""A convolutional net on MNIST: AdamW with decay for matrices only, one-cycle rate, label smoothing."""

import torch
import torch.nn as nn
from data import mnist
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
xs, ys = mnist("train", 3000)
xt, yt = mnist("test", 1000)
prep = lambda a: (torch.from_numpy(a).float().unsqueeze(1) / 255 - 0.1307) / 0.3081  # noqa: E731
loader = DataLoader(TensorDataset(prep(xs), torch.from_numpy(ys)), batch_size=64, shuffle=True, drop_last=True)
test_x, test_y = prep(xt), torch.from_numpy(yt)

model = nn.Sequential(
    nn.Conv2d(1, 16, 3, stride=2, padding=1, bias=False),
    nn.BatchNorm2d(16),
    nn.GELU(),
    nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False),
    nn.BatchNorm2d(32),
    nn.GELU(),
    nn.AdaptiveAvgPool2d(2),
    nn.Flatten(),
    nn.Linear(128, 10),
)
decay = [p for p in model.parameters() if p.ndim > 1]
plain = [p for p in model.parameters() if p.ndim <= 1]
optimizer = torch.optim.AdamW(
    [{"params": decay, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}], lr=1e-2
)
epochs = 5
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=epochs * len(loader))
criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
for epoch in range(epochs):
    model.train()
    for x, y in loader:
        optimizer.zero_grad(set_to_none=True)
        criterion(model(x), y).backward()
        optimizer.step()
        scheduler.step()
    model.eval()
    with torch.inference_mode():
        accuracy = (model(test_x).argmax(1) == test_y).float().mean().item()
    print(epoch, scheduler.get_last_lr(), accuracy)
assert accuracy > 0.9
