// Run-time selection of the instruction set: every kernel is compiled once per level below, and the
// best level that the CPU supports is selected on first use.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#define MFM_X86 1
#else
#define MFM_X86 0
#endif

// Code between MFM_TARGET_BEGIN(list) and MFM_TARGET_END is compiled for these instruction sets.
#define MFM_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define MFM_TARGET_BEGIN(list) \
  MFM_PRAGMA(clang attribute push(__attribute__((target(list))), apply_to = function))
#define MFM_TARGET_END _Pragma("clang attribute pop")
#else
#define MFM_TARGET_BEGIN(list) _Pragma("GCC push_options") MFM_PRAGMA(GCC target(list))
#define MFM_TARGET_END _Pragma("GCC pop_options")
#endif

#define MFM_AVX2 "avx2,fma,f16c"
#define MFM_AVX512 "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"
#define MFM_AVX512_BF16 "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma"
#define MFM_AMX \
  "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,amx-tile,amx-bf16"

// gcc's tile intrinsics (AMX) do not declare that they access memory.
#define MFM_MEMORY_FENCE() asm volatile("" ::: "memory")

namespace mfm::kernels {

enum class Isa { baseline, avx2, avx512 };

/** The widest vector level of this CPU; `MFM_ISA=baseline|avx2|avx512` lowers it (for tests). */
Isa isa();

/** Are there dot products of bf16 pairs (AVX512-BF16)? Only with Isa::avx512. */
bool hasAvx512Bf16();

/**
 * Can bf16 matrix tiles (AMX) be used? This needs the CPU, AVX512-BF16 and the kernel's permission.
 * `MFM_ISA=avx512` disables them.
 */
bool hasAmx();

} // namespace mfm::kernels
