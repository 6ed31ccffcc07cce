"""Runs parts of one step of the public MfM transformer, from a checkout of its code.

    python3 public_step.py CHECKOUT CONFIG WEIGHTS INPUTS THREADS

CHECKOUT is a folder with `mfm/modeling`, which users must provide; CONFIG is a transformer's
config.json; WEIGHTS and INPUTS are safetensors files. Needs torch, diffusers, einops and
safetensors. Prints one line when ready. Then, for every line
{"part": "forward", "dtype": "bfloat16", "output": ""} on standard input, runs that part and prints
{"seconds": ...}. Parts: "forward" is the whole model, "block" its first block, "adapter" its
condition adapter. PEER_DEVICE names the device, cpu by default. The result is saved to `output`, as "output" in float32, if that is not empty.
"""
import contextlib
import inspect
import json
import os
import sys
import time

import newer_names  # noqa: F401  before diffusers
import diffusers
import torch
from safetensors.torch import load_file, save_file


DEVICE = os.environ.get("PEER_DEVICE", "cpu")


def settle():
    """Waits for what is queued on a GPU."""
    if DEVICE.startswith("cuda"):
        torch.cuda.synchronize(DEVICE)


class Model:
    """The model in one dtype, its inputs, and the arguments of its first block's last call."""

    def __init__(self, kind, config, weights, inputs, dtype):
        known = inspect.signature(kind.__init__).parameters
        self.model = kind(**{key: value for key, value in config.items() if key in known})
        self.model.load_state_dict(weights)
        self.model.post_setup_sequence_parallel(None)
        self.model.to(device=DEVICE, dtype=dtype).eval()
        large = ("latents", "condition", "states")
        given = {k: v.to(dtype) if k in large else v for k, v in inputs.items()}
        self.inputs = {k: v.to(DEVICE) for k, v in given.items()}
        block = self.model.transformer_blocks[0]
        self.run_block = block.forward
        block.forward = self.remember

    def remember(self, *args, **kwargs):
        self.block_call = (args, kwargs)
        return self.run_block(*args, **kwargs)

    def forward(self):
        given = self.inputs
        return self.model(
            given["latents"],
            conditional_pixel_values=given["condition"],
            encoder_hidden_states=given["states"],
            timestep=given["timesteps"],
            motion_score=given["motionScores"],
        ).sample

    def block(self):
        args, kwargs = self.block_call
        return self.run_block(*args, **kwargs)

    def adapter(self):
        return self.model.cond_conv(self.inputs["condition"])


def main():
    checkout, config_path, weights_path, inputs_path, threads = sys.argv[1:6]
    torch.set_num_threads(int(threads))
    torch.set_grad_enabled(False)
    sys.path.insert(0, checkout)
    with open(config_path) as file:
        config = json.load(file)
    weights, inputs = load_file(weights_path), load_file(inputs_path)
    models = {}
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # the imported code prints too
        from mfm.modeling.transformer_3d import Transformer3DModel

        versions = f"PyTorch {torch.__version__}, diffusers {diffusers.__version__}"
        print(f"{versions}, {threads} threads", file=answers, flush=True)
        for line in sys.stdin:
            request = json.loads(line)
            dtype = request["dtype"]
            if dtype not in models:
                kind = getattr(torch, dtype)
                models[dtype] = Model(Transformer3DModel, config, weights, inputs, kind)
                models[dtype].forward()  # warm-up
            settle()
            start = time.perf_counter()
            output = getattr(models[dtype], request["part"])()
            settle()
            seconds = time.perf_counter() - start
            if request["output"]:
                save_file({"output": output.float().cpu().contiguous()}, request["output"])
            del output
            print(json.dumps({"seconds": seconds}), file=answers, flush=True)


main()
