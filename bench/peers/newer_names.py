"""Adds names that PyTorch 1.13 lacks but newer libraries need when they are imported.

These are decorators that change nothing, placeholders for names that are never used on the CPU, and
attention, which 1.13 has under another name. Later versions of PyTorch are not changed.
"""
import types

import torch
import torch.nn.functional as F
import torch.utils.checkpoint
from torch.utils._python_dispatch import TorchDispatchMode


def _unchanged(function=None, **_):
    return function if function else _unchanged


def _attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False):
    attend = F._scaled_dot_product_attention
    return attend(query, key, value, attn_mask, dropout_p, False, is_causal)[0]


def _add(owner, **names):
    for name, value in names.items():
        if not hasattr(owner, name):
            setattr(owner, name, value)


if not torch.cuda.is_available():
    # queried by autocast regions for GPUs, which 1.13 enters even without a GPU
    torch.cuda.is_bf16_supported = lambda: True
_compiler = types.SimpleNamespace(disable=_unchanged, is_compiling=lambda: False)
_add(torch, float8_e4m3fn=None, float8_e5m2=None, compiler=_compiler, _dynamo=_compiler)
_add(F, scaled_dot_product_attention=_attention)
_add(
    torch.utils.checkpoint,
    TorchDispatchMode=TorchDispatchMode,
    _pt2_selective_checkpoint_context_fn_gen=None,
)
