// Attention on bfloat16 matrix tiles (AMX). Call only where hasAmx() holds.
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

/**
 * One head's attention: out = softmax(q k^T * scale + mask) v without ever holding its scores.
 *
 * @param mask  lk additive values or null
 * @param lse   null, or receives the lq natural logarithms of the softmax's denominators
 */
void attentionHead(HeadView q, HeadView k, HeadView v, const float* mask, HeadView out, float* lse,
                   int64_t lq, int64_t lk, int64_t headDim, float scale);

/** The gradients of one head, from `out`, its gradient and `lse` as attentionHead gave it. */
void attentionHeadBackward(HeadView q, HeadView k, HeadView v, const float* mask, HeadView out,
                           HeadView dOut, const float* lse, HeadView dq, HeadView dk, HeadView dv,
                           int64_t lq, int64_t lk, int64_t headDim, float scale);

/** Tiles are set up per thread, around any number of heads. */
class TileScope {
public:
  TileScope();
  ~TileScope();
};

} // namespace mfm::kernels
