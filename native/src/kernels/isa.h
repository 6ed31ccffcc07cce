// Run-time choice of instruction set: every kernel body is compiled once per level below, and the
// best level that the CPU offers is picked when the library loads.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#define MFM_X86 1
#else
#define MFM_X86 0
#endif

// MFM_TARGET_BEGIN(list) … MFM_TARGET_END compile what stands between for more than the baseline.
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

namespace mfm::kernels {

enum class Isa { baseline, avx2, avx512 };

/** The widest vector level of this CPU; `MFM_ISA=baseline|avx2|avx512` lowers it (for tests). */
Isa isa();

/** Whether there are dot products of bf16 pairs; they come with Isa::avx512. */
bool hasAvx512Bf16();

/**
 * Whether bf16 matrix tiles can be used: CPU, AVX512-BF16 and the kernel's permission.
 * `MFM_ISA=avx512` does without them.
 */
bool hasAmx();

} // namespace mfm::kernels
