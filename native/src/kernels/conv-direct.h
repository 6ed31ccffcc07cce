// Convolutions of channels-last bfloat16 pictures by matrix tiles (AMX), or dot products of pairs
// (AVX512-BF16). All taps, also those in time, are added up in registers, and SiLU is applied before
// the result is stored. With few channels oneDNN reaches a third of that speed (measured).
#pragma once

#include <cstdint>
#include <vector>

#include "scratch.h"

namespace mfm::kernels {

/** Sizes of a convolution; weights are [outChannels, inChannels, taps, kernel, kernel]. */
struct ConvSizes {
  int64_t inChannels, inHeight, inWidth, outChannels, outHeight, outWidth;
  int64_t taps, kernel, stride, pad;
};

/** One picture [H, W, C]. With `slopes`, its values are multiplied by them. */
struct Plane {
  const uint16_t* values;
  const uint16_t* slopes = nullptr;
};

/** A picture that a result is computed from, and the tap in time that it is weighted with. */
struct Tap {
  Plane plane;
  int64_t index;
};

/** Part of a picture: rows and columns. */
struct Band {
  int64_t row, rows, column, columns;
};

/**
 * A pass that computes pictures from pictures: forward, or the gradient of the input. Positions i of
 * the result, in either dimension, belong to `phases.size()` phases in turn: position number n of
 * a phase is computed from the `taps.size()` positions of the source from n * step + offset on.
 */
struct ConvPass {
  struct Phase {
    int64_t offset;
    std::vector<int64_t> taps; // index of the weight for each of these positions
    int64_t units;             // vectors of weights for a row of them
  };
  struct Side {
    int64_t channels, height, width;
  };
  Side from, to;
  int64_t step, taps, kernel;
  std::vector<Phase> phases;
  int64_t group;   // with tiles: pixels of the result in a row of a tile; else 0
  bool quads;      // up to 8 channels: each takes two lanes, for four terms a step instead of two
  int64_t vectors; // of 16 lanes, computed at once
  int64_t blocks;  // of such vectors that make up all channels of the result
  bool silu = false;
  AlignedVector<uint16_t> weights; // [phase][tap][row tap][block][units][vectors * 16][2]
  AlignedVector<float> bias;       // [blocks][vectors * 16]
  std::vector<int64_t> phaseStart; // in `weights`

  /** y = act(conv(x) + bias); bias may be null */
  static ConvPass forward(const ConvSizes& sizes, const uint16_t* weight, const float* bias,
                          bool silu);
  /** The gradient of x from that of y. */
  static ConvPass toInput(const ConvSizes& sizes, const uint16_t* weight);

  /** A good size of a band. */
  Band band() const;

private:
  // Arranges the weights; elements of `weight` between channels of the result, of the source, and
  // between taps.
  void pack(const uint16_t* weight, int64_t toStride, int64_t fromStride, int64_t tapStride,
            const float* bias);
};

/** The gradients of weights and bias, summed up band by band. */
struct WeightPass {
  ConvSizes sizes;
  bool tiles;
  bool quads;
  int64_t vectors, blocks;
  int64_t chunk; // units whose sums are held in registers together
  int64_t units; // of the terms of a row: one each, or two with `quads`; whole chunks

  explicit WeightPass(const ConvSizes& sizes);
  /**
   * Floats of the sums: [taps][kernel][blocks][units][vectors * 16], then those of the bias. Tiles
   * have 16 channels of 16 units each, instead of units of channels.
   */
  int64_t size() const { return weightSize() + blocks * vectors * 16; }
  int64_t weightSize() const { return sizes.taps * sizes.kernel * blocks * units * vectors * 16; }
  /** Rearranges sums as [outChannels, inChannels, taps, kernel, kernel] and [outChannels]. */
  void unpack(const float* sums, float* weight, float* bias) const;
  Band band() const;
};

struct ConvKernels {
  /**
   * Computes a band of `y`, a picture, from `count` pictures.
   *
   * @param slopes   null, or receives the derivative of the activation at each result
   */
  void (*convolve)(const ConvPass& pass, const Tap* taps, int64_t count, uint16_t* y,
                   uint16_t* slopes, const Band& band);
  /** Adds the products of a band of `dy` with the pictures it was computed from to `sums`. */
  void (*addWeights)(const WeightPass& pass, const Tap* taps, int64_t count, const Plane& dy,
                     const Band& band, float* sums);
  /** [C, pixels] → [pixels, C], for up to 8 channels; `plane` elements between channels. */
  void (*interleave)(const uint16_t* x, uint16_t* y, int64_t pixels, int64_t channels,
                     int64_t plane);
};

/** The kernels, or null if this CPU lacks the instructions. */
const ConvKernels* convKernels();

} // namespace mfm::kernels
