// Prepares direct convolutions, and selects their kernels (conv-direct.inl).
#include "conv-direct.h"

#include <algorithm>
#include <array>

#include "isa.h"

namespace mfm::kernels {
namespace {

constexpr int64_t lanes = 16;
constexpr int64_t scratchBytes = 24 * 1024; // for the sources of a band, so that they stay in L1
constexpr int64_t maxColumns = 128;

int64_t blocksOf(int64_t size, int64_t block) { return (size + block - 1) / block; }

bool usesQuads(int64_t channels) { return channels <= 8; }

// Vectors of a result's channels that are computed at once: narrow pictures have few pixels to
// reuse weights for, so that more channels have to reuse the pixels.
int64_t vectorsFor(int64_t channels, int64_t width) {
  if (channels <= lanes) return 1;
  return channels <= 2 * lanes || width >= 8 ? 2 : 4;
}

// As many rows of the result as fit into the cache with what they are computed from.
Band bandOf(int64_t rowBytes, int64_t width) {
  const int64_t rows = std::max<int64_t>(4, scratchBytes / std::max<int64_t>(1, rowBytes));
  return {0, rows, 0, std::min(width, maxColumns)};
}

} // namespace

void ConvPass::pack(const uint16_t* weight, int64_t toStride, int64_t fromStride,
                    int64_t tapStride, const float* givenBias) {
  group = !hasAmx() ? 0 : to.channels <= lanes / 2 ? 2 : 1;
  quads = group == 0 && usesQuads(to.channels);
  const int64_t width = to.width / static_cast<int64_t>(phases.size());
  vectors = group > 0 ? 1 : vectorsFor(to.channels, width);
  const int64_t wide = vectors * lanes, perUnit = quads ? 4 : 2;
  blocks = blocksOf(to.channels, wide);
  int64_t total = 0;
  for (Phase& phase : phases) {
    const int64_t terms = phase.taps.size() * from.channels;
    phase.units = blocksOf(terms, perUnit);
    // the pixels of a group are computed from one run; tiles are filled up
    if (group > 0 && terms > 0) {
      const int64_t wider = terms + (group - 1) * step * from.channels;
      phase.units = blocksOf(wider, perUnit * lanes) * lanes;
    }
    phaseStart.push_back(total);
    total += taps * kernel * blocks * phase.units * wide * 2;
  }
  weights.assign(total, 0);
  uint16_t* out = weights.data();
  for (const Phase& phase : phases) {
    const int64_t terms = phase.taps.size() * from.channels;
    for (int64_t tap = 0; tap < taps; ++tap) {
      for (int64_t row = 0; row < kernel; ++row) {
        for (int64_t block = 0; block < blocks; ++block, out += phase.units * wide * 2) {
          const int64_t first = block * wide, count = std::min(wide, to.channels - first);
          for (int64_t term = 0; term < terms; ++term) {
            const uint16_t* source = weight + first * toStride + term % from.channels * fromStride +
                                     tap * tapStride + row * kernel +
                                     phase.taps[term / from.channels];
            for (int64_t pixel = 0; pixel < std::max<int64_t>(1, group); ++pixel) {
              const int64_t at = term + pixel * step * from.channels;
              uint16_t* target = out + at / perUnit * wide * 2 + at % perUnit + pixel * lanes;
              for (int64_t i = 0; i < count; ++i) target[i * perUnit] = source[i * toStride];
            }
          }
        }
      }
    }
  }
  bias.assign(blocks * wide, 0);
  if (!givenBias) return;
  // with `quads`, both lanes of a channel are added up in the end
  for (int64_t i = 0; i < to.channels; ++i) {
    bias[quads ? 2 * i : i] = givenBias[i];
    if (group == 2) bias[lanes / 2 + i] = givenBias[i];
  }
}

ConvPass ConvPass::forward(const ConvSizes& s, const uint16_t* weight, const float* bias,
                           bool silu) {
  ConvPass pass;
  pass.from = {s.inChannels, s.inHeight, s.inWidth};
  pass.to = {s.outChannels, s.outHeight, s.outWidth};
  pass.step = s.stride;
  pass.taps = s.taps;
  pass.kernel = s.kernel;
  pass.silu = silu;
  Phase phase{-s.pad, {}, 0};
  for (int64_t k = 0; k < s.kernel; ++k) phase.taps.push_back(k);
  pass.phases = {phase};
  const int64_t tap = s.kernel * s.kernel;
  pass.pack(weight, s.inChannels * s.taps * tap, s.taps * tap, tap, bias);
  return pass;
}

ConvPass ConvPass::toInput(const ConvSizes& s, const uint16_t* weight) {
  ConvPass pass;
  pass.from = {s.outChannels, s.outHeight, s.outWidth};
  pass.to = {s.inChannels, s.inHeight, s.inWidth};
  pass.step = 1;
  pass.taps = s.taps;
  pass.kernel = s.kernel;
  // position `phase` of the input was used by the outputs (phase + pad - k) / stride
  for (int64_t i = 0; i < s.stride; ++i) {
    Phase phase{0, {}, 0};
    for (int64_t k = s.kernel - 1; k >= 0; --k) {
      const int64_t distance = i + s.pad - k;
      if (distance % s.stride != 0) continue;
      if (phase.taps.empty()) phase.offset = distance / s.stride;
      phase.taps.push_back(k);
    }
    pass.phases.push_back(phase);
  }
  const int64_t tap = s.kernel * s.kernel;
  pass.pack(weight, s.taps * tap, s.inChannels * s.taps * tap, tap, nullptr);
  return pass;
}

Band ConvPass::band() const {
  const int64_t each = phases.size(), columns = std::min(to.width, maxColumns);
  const int64_t sourceRow = columns * step / each * from.channels * 2 * taps;
  Band band = bandOf(sourceRow * step / each, to.width);
  // whole phases, so that every band has the same
  band.rows = blocksOf(band.rows, each) * each;
  band.columns = blocksOf(band.columns, each) * each;
  return band;
}

WeightPass::WeightPass(const ConvSizes& s) : sizes(s) {
  tiles = hasAmx();
  quads = !tiles && usesQuads(s.outChannels);
  vectors = tiles ? 1 : vectorsFor(s.outChannels, s.outWidth);
  blocks = blocksOf(s.outChannels, vectors * lanes);
  const int64_t terms = s.kernel * s.inChannels, needed = quads ? blocksOf(terms, 2) : terms;
  const std::array<int64_t, 3> ofVectors{16 / vectors, 12 / vectors, 8 / vectors};
  const std::array<int64_t, 3> ofTiles{3 * lanes, 2 * lanes, lanes};
  // the largest chunk that wastes the least
  units = 0;
  for (const int64_t candidate : tiles ? ofTiles : ofVectors) {
    const int64_t whole = blocksOf(needed, candidate) * candidate;
    if (units == 0 || whole < units) {
      units = whole;
      chunk = candidate;
    }
  }
}

void WeightPass::unpack(const float* sums, float* weight, float* bias) const {
  const int64_t wide = vectors * lanes;
  const auto index = [&](int64_t channel) { // in a block
    return quads ? 2 * channel : channel % wide;
  };
  const auto offset = [&](int64_t term) { // from that of the first
    if (tiles) return term / lanes * lanes * lanes + term % lanes;
    return quads ? term / 2 * wide + term % 2 : term * wide;
  };
  for (int64_t to = 0; to < sizes.outChannels; ++to) {
    const int64_t block = quads ? 0 : to / wide;
    for (int64_t tap = 0; tap < sizes.taps; ++tap) {
      for (int64_t row = 0; row < sizes.kernel; ++row) {
        const float* from =
            sums + ((tap * sizes.kernel + row) * blocks + block) * units * wide +
            index(to) * (tiles ? lanes : 1);
        for (int64_t column = 0; column < sizes.kernel; ++column) {
          for (int64_t in = 0; in < sizes.inChannels; ++in) {
            const int64_t term = column * sizes.inChannels + in;
            const int64_t at = (to * sizes.inChannels + in) * sizes.taps + tap;
            weight[(at * sizes.kernel + row) * sizes.kernel + column] = from[offset(term)];
          }
        }
      }
    }
    if (bias) bias[to] = sums[weightSize() + block * wide + index(to)];
  }
}

Band WeightPass::band() const {
  const int64_t columns = std::min(sizes.outWidth, maxColumns);
  const int64_t source = columns * sizes.stride * sizes.stride * sizes.inChannels * 4 * sizes.taps;
  const int64_t result = columns * blocks * vectors * lanes * 2;
  Band band = bandOf((source + result) / 4, sizes.outWidth);
  band.columns = blocksOf(band.columns, 2) * 2; // pairs
  return band;
}

} // namespace mfm::kernels

#if MFM_X86 && defined(__linux__)

#include <immintrin.h>

#include <cstring>

namespace mfm::kernels {
namespace {

#define MFM_INLINE static inline __attribute__((always_inline))

Scratch& scratch() {
  static thread_local Scratch memory;
  return memory;
}

} // namespace

MFM_TARGET_BEGIN(MFM_AVX512_BF16)
namespace avx512 {
#define MFM_PRODUCTS "conv-vectors.inl"
#include "conv-direct.inl"
#undef MFM_PRODUCTS
} // namespace avx512
MFM_TARGET_END

MFM_TARGET_BEGIN(MFM_AMX)
namespace amx {
#define MFM_PRODUCTS "conv-tiles.inl"
#include "conv-direct.inl"
#undef MFM_PRODUCTS
} // namespace amx
MFM_TARGET_END

const ConvKernels* convKernels() {
  if (hasAmx()) return &amx::convolutions;
  return hasAvx512Bf16() ? &avx512::convolutions : nullptr;
}

} // namespace mfm::kernels

#else

namespace mfm::kernels {
const ConvKernels* convKernels() { return nullptr; }
} // namespace mfm::kernels

#endif
