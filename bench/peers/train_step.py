"""The small model's training step in plain PyTorch, written from the formulas.

    python3 train_step.py BATCH THREADS

Prints one line when ready. Then, for every number n on standard input, does n optimizer updates on
one fixed random batch and prints the seconds they took. Computes in bfloat16 with float32 master
weights.
"""
import math
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

WIDTH, HEADS, LAYERS, TEXT_WIDTH = 256, 4, 8, 128
ADAPTER = (8, 16, 32, 64, 128)
FRAMES, SIZE, LATENT_FRAMES, LATENT_SIZE, TEXT, CHANNELS = 17, 64, 5, 8, 77, 16


class RMSNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        y = x.float()
        y = y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-6)
        return (self.weight * y).to(x.dtype)


def rotate(x, cos, sin):
    a, b = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    turned = torch.stack([-b, a], -1).flatten(-2)
    return (x.float() * cos + turned * sin).to(x.dtype)


class Attention(nn.Module):
    def __init__(self, source_width):
        super().__init__()
        self.q, self.o = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.k, self.v = nn.Linear(source_width, WIDTH), nn.Linear(source_width, WIDTH)
        self.q_norm, self.k_norm = RMSNorm(WIDTH), RMSNorm(WIDTH)

    def forward(self, x, source, rope, turn_keys):
        def heads(t):
            return t.view(t.shape[0], t.shape[1], HEADS, -1).transpose(1, 2)

        q, k = heads(self.q_norm(self.q(x))), heads(self.k_norm(self.k(source)))
        v = heads(self.v(source))
        q = rotate(q, *rope)
        if turn_keys:
            k = rotate(k, *rope)
        p = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1)
        return self.o((p @ v).transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.modulation = nn.Linear(WIDTH, 6 * WIDTH)
        self.norm1, self.norm2, self.norm3 = RMSNorm(WIDTH), RMSNorm(WIDTH), RMSNorm(WIDTH)
        self.attn1, self.attn2 = Attention(WIDTH), Attention(TEXT_WIDTH)
        self.fc1, self.fc2 = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x, time_embedding, text, rope):
        shift1, scale1, gate1, shift3, scale3, gate3 = (
            self.modulation(F.silu(time_embedding)).float().unsqueeze(1).chunk(6, -1)
        )
        y = (self.norm1(x).float() * (1 + scale1) + shift1).to(x.dtype)
        y = self.attn1(y, y, rope, True)
        x = x + (gate1 * y.float()).to(x.dtype)
        x = x + self.attn2(self.norm2(x), text, rope, False)
        y = (self.norm3(x).float() * (1 + scale3) + shift3).to(x.dtype)
        y = self.fc2(F.gelu(self.fc1(y), approximate="tanh"))
        return x + (gate3 * y.float()).to(x.dtype)


class Adapter(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(5, ADAPTER[0], 3, padding=1)
        self.layers = nn.ModuleList()
        for i, (a, b) in enumerate(zip(ADAPTER, ADAPTER[1:])):
            self.layers.append(nn.Conv2d(a, a, 3, padding=1))
            conv = nn.Conv3d if i % 2 == 0 else nn.Conv2d
            self.layers.append(conv(a, b, 3, padding=1, stride=2))
        self.last = nn.Conv2d(ADAPTER[-1], WIDTH, 3, padding=1)

    def forward(self, clip):
        b = clip.shape[0]
        x = F.silu(self.first(clip.transpose(1, 2).flatten(0, 1)))
        for layer in self.layers:
            if isinstance(layer, nn.Conv3d):
                x = layer(x.unflatten(0, (b, -1)).transpose(1, 2)).transpose(1, 2).flatten(0, 1)
            else:
                x = layer(x)
            x = F.silu(x)
        return self.last(x).unflatten(0, (b, -1)).permute(0, 1, 3, 4, 2).flatten(1, 3)


class TimeEmbedding(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(256, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, values):
        angles = values[:, None] * torch.exp(-math.log(10000) * torch.arange(128) / 127)
        x = torch.cat([angles.cos(), angles.sin()], -1).to(self.linear1.weight.dtype)
        return self.linear2(F.silu(self.linear1(x)))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.adapter, self.patches = Adapter(), nn.Conv2d(CHANNELS, WIDTH, 2, stride=2)
        self.time, self.motion = TimeEmbedding(), TimeEmbedding()
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.out1, self.out2 = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(WIDTH, 4 * CHANNELS)

    def forward(self, latents, timesteps, motion, text, condition, rope):
        b = latents.shape[0]
        x = self.patches(latents.transpose(1, 2).flatten(0, 1))
        x = x.unflatten(0, (b, -1)).permute(0, 1, 3, 4, 2).flatten(1, 3)
        x = x + self.adapter(condition)
        time_embedding = self.time(timesteps) + self.motion(motion)
        for block in self.blocks:
            x = block(x, time_embedding, text, rope)
        shift, scale = self.out1(F.silu(time_embedding)).float().unsqueeze(1).chunk(2, -1)
        x = F.layer_norm(x, (WIDTH,), eps=1e-6)
        x = self.out2((x.float() * (1 + scale) + shift).to(x.dtype))
        side = LATENT_SIZE // 2
        x = x.view(b, LATENT_FRAMES, side, side, 2, 2, CHANNELS)
        return x.permute(0, 6, 1, 2, 4, 3, 5).reshape(latents.shape)


def rope_table():
    side, width = LATENT_SIZE // 2, WIDTH // HEADS
    grid = torch.meshgrid(
        torch.arange(LATENT_FRAMES), torch.arange(side), torch.arange(side), indexing="ij"
    )
    angles = []
    for positions, part in zip(grid, (width // 4, width * 3 // 8, width * 3 // 8)):
        frequencies = 10000 ** -(torch.arange(0, part, 2) / part)
        angles.append((positions.reshape(-1, 1) * frequencies).repeat_interleave(2, 1))
    table = torch.cat(angles, 1)
    return table.cos(), table.sin()


def main():
    batch, threads = int(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = Model()
    masters = [p.detach().clone() for p in model.parameters()]
    model.to(torch.bfloat16)
    optimizer = torch.optim.AdamW(masters, lr=1e-4, weight_decay=0.01)
    bf16 = torch.bfloat16
    latents = torch.randn(batch, CHANNELS, LATENT_FRAMES, LATENT_SIZE, LATENT_SIZE)
    target = torch.randn_like(latents)
    inputs = (
        latents.to(bf16),
        torch.rand(batch) * 1000,
        torch.rand(batch) * 10,
        torch.randn(batch, TEXT, TEXT_WIDTH).to(bf16),
        torch.rand(batch, 5, FRAMES, SIZE, SIZE).to(bf16),
        rope_table(),
    )

    def step():
        loss = F.mse_loss(model(*inputs).float(), target)
        loss.backward()
        for master, parameter in zip(masters, model.parameters()):
            master.grad = parameter.grad.float()
            parameter.grad = None
        torch.nn.utils.clip_grad_norm_(masters, 1.0)
        optimizer.step()
        with torch.no_grad():
            for master, parameter in zip(masters, model.parameters()):
                parameter.copy_(master)
        return loss.item()

    step()
    count = sum(p.numel() for p in model.parameters()) / 1e6
    print(f"PyTorch {torch.__version__}, {count:.1f}M parameters, {threads} threads", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            step()
        print(time.perf_counter() - start, flush=True)


main()
