// Attention on bfloat16 tiles: one algorithm (attention-tiles.inl), compiled for each instruction
// set that can multiply tiles (tiles-*.inl).
#pragma once

#include <cstdint>

namespace mfm::kernels {

/** One [L, K] matrix of a [B, N, L, K] tensor: bfloat16 bits, K contiguous. */
struct HeadView {
  uint16_t* rows;
  int64_t stride; // elements between rows

  uint16_t* row(int64_t i) const { return rows + i * stride; }
};

constexpr int64_t maxHeadDim = 128;

struct TileKernels {
  /**
   * One head's attention: out = softmax(q k^T * scale + mask) v, without ever holding all scores.
   *
   * mask  lk values added to the scores, or null
   * lse   null, or receives the natural logarithms of the lq softmax denominators (log-sum-exp)
   */
  void (*forward)(HeadView q, HeadView k, HeadView v, const float* mask, HeadView out, float* lse,
                  int64_t lq, int64_t lk, int64_t headDim, float scale);

  /** The gradients of one head, from `out`, its gradient `dOut`, and the `lse` from `forward`. */
  void (*backward)(HeadView q, HeadView k, HeadView v, const float* mask, HeadView out,
                   HeadView dOut, const float* lse, HeadView dq, HeadView dk, HeadView dv,
                   int64_t lq, int64_t lk, int64_t headDim, float scale);

  // called before a thread's first head, and after its last
  void (*configure)();
  void (*release)();
};

/** The fastest kernels that this CPU can run, or null. */
const TileKernels* tileKernels();

/** Configures the calling thread for the tile kernels as long as it lives. */
class TileScope {
public:
  explicit TileScope(const TileKernels& kernels) : kernels_(kernels) { kernels_.configure(); }
  ~TileScope() { kernels_.release(); }
  TileScope(const TileScope&) = delete;
  TileScope& operator=(const TileScope&) = delete;

private:
  const TileKernels& kernels_;
};

} // namespace mfm::kernels
