// Selects the tile kernels of attention-tiles.inl, and holds what they share.
#include "attention-tiles.h"

#include "isa.h"
#include "scratch.h"

#if MFM_X86 && defined(__linux__)

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace mfm::kernels {

namespace {

constexpr int64_t step = 32;
constexpr int64_t block = 256;          // keys (backward: queries) per accumulation
constexpr int64_t tileElements = 512;   // bfloat16 elements of a tile
constexpr float log2e = 1.44269504088896341f;
constexpr float hidden = -1e30f;        // bias that masks the keys padding the last step

int64_t roundUp(int64_t n) { return (n + step - 1) / step * step; }

Scratch& scratch() {
  static thread_local Scratch memory;
  return memory;
}

#define MFM_INLINE static inline __attribute__((always_inline))

} // namespace

MFM_TARGET_BEGIN(MFM_AVX512_BF16)
namespace avx512 {
#define MFM_TILES "tiles-avx512.inl"
#include "attention-tiles.inl"
#undef MFM_TILES
} // namespace avx512
MFM_TARGET_END

MFM_TARGET_BEGIN(MFM_AMX)
namespace amx {
#define MFM_TILES "tiles-amx.inl"
#include "attention-tiles.inl"
#undef MFM_TILES
} // namespace amx
MFM_TARGET_END

const TileKernels* tileKernels() {
  if (hasAmx()) return &amx::kernels;
  return hasAvx512Bf16() ? &avx512::kernels : nullptr;
}

} // namespace mfm::kernels

#else

namespace mfm::kernels {
const TileKernels* tileKernels() { return nullptr; }
} // namespace mfm::kernels

#endif
