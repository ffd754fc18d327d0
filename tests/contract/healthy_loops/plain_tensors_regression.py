"""The first regression of a tutorial: a weight and a bias as tensors, SGD, mean squared error by hand."""

import torch

torch.manual_seed(0)
X = torch.linspace(-3, 3, 100).unsqueeze(1)
Y = 2.5 * X - 1.0 + 0.3 * torch.randn_like(X)
w = torch.randn(1, 1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
optimizer = torch.optim.SGD([w, b], lr=0.05)
for epoch in range(100):
    prediction = X @ w + b
    loss = ((prediction - Y) ** 2).mean()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
print(w.item(), b.item(), loss.item())
assert abs(w.item() - 2.5) < 0.1
assert abs(b.item() + 1) < 0.1
