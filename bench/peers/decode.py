"""Decodes a clip's latents with diffusers' CogVideoX autoencoder.

    python3 decode.py CONFIG WEIGHTS LATENTS THREADS

CONFIG is its config.json; WEIGHTS and LATENTS ("latents") are safetensors files. Needs torch,
diffusers (0.30 or later) and safetensors. Prints one line when ready. Then, for every line
{"dtype": "bfloat16", "output": "file or empty"} on standard input, decodes in tiles and prints
{"seconds": ...}; PEER_DEVICE names the device, cpu by default; the video is saved to `output`, as "video" in float32, if that is not empty.
"""
import json
import os
import sys
import time

import newer_names  # noqa: F401  before diffusers
import diffusers
import torch
from diffusers import AutoencoderKLCogVideoX
from safetensors.torch import load_file, save_file


DEVICE = os.environ.get("PEER_DEVICE", "cpu")


def settle():
    """Waits for what is queued on a GPU."""
    if DEVICE.startswith("cuda"):
        torch.cuda.synchronize(DEVICE)


def main():
    config_path, weights_path, latents_path, threads = sys.argv[1:5]
    torch.set_num_threads(int(threads))
    torch.set_grad_enabled(False)
    with open(config_path) as file:
        config = {key: value for key, value in json.load(file).items() if key[0] != "_"}
    weights = load_file(weights_path)
    latents = load_file(latents_path)["latents"]
    models = {}

    def model_of(dtype):
        if dtype not in models:
            model = AutoencoderKLCogVideoX(**config)
            model.load_state_dict(weights)
            model.to(device=DEVICE, dtype=dtype).eval()
            model.enable_tiling()
            model.decode(latents[..., :1, :4, :4].to(device=DEVICE, dtype=dtype))  # warm-up
            models[dtype] = model
        return models[dtype]

    print(
        f"diffusers {diffusers.__version__}, PyTorch {torch.__version__}, {threads} threads",
        flush=True,
    )
    for line in sys.stdin:
        request = json.loads(line)
        dtype = getattr(torch, request["dtype"])
        model = model_of(dtype)
        settle()
        start = time.perf_counter()
        video = model.decode(latents.to(device=DEVICE, dtype=dtype)).sample
        settle()
        seconds = time.perf_counter() - start
        if request["output"]:
            save_file({"video": video.float().cpu().contiguous()}, request["output"])
        print(json.dumps({"seconds": seconds}), flush=True)


main()
