// mfm::attention: softmax(q k^T * scale + mask) v without holding all scores, and its gradient.
#include "attention-device.h"
#include "attention-tiles.h"
#include "operators.h"

namespace mfm::kernels {
namespace {

// q [B, N, Lq, K]; k, v [B, N, Lk, K]; mask additive, [B, 1, 1, Lk] or [1, 1, 1, Lk].
// Results are [B, N, L, K] views of [B, L, N, K] memory, so joining the heads again needs no copy.
struct Shape {
  int64_t b, n, lq, lk, k;
};

Shape shapeOf(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask) {
  expectOneDevice("attention", {q, k, v, mask});
  TORCH_CHECK(q.dim() == 4 && k.dim() == 4, "attention: q, k, v must be [B, N, L, K], got ",
              q.sizes(), " and ", k.sizes());
  const Shape s{q.size(0), q.size(1), q.size(2), k.size(2), q.size(3)};
  TORCH_CHECK(k.size(0) == s.b && k.size(1) == s.n && k.size(3) == s.k && v.sizes() == k.sizes(),
              "attention: k and v must be [", s.b, ", ", s.n, ", Lk, ", s.k, "], got ", k.sizes(),
              " and ", v.sizes());
  if (mask.defined()) {
    TORCH_CHECK(mask.numel() == s.lk || mask.numel() == s.b * s.lk, "attention: mask must be [",
                s.b, ", 1, 1, ", s.lk, "], got ", mask.sizes());
  }
  return s;
}

Tensor emptyHeads(const Tensor& like, const Shape& s, int64_t length) {
  return at::empty({s.b, length, s.n, s.k}, like.options()).transpose(1, 2);
}

bool onTiles(const Tensor& q, const Tensor& k, const Tensor& v, const Shape& s) {
  const auto fits = [](const Tensor& x) {
    return x.scalar_type() == at::kBFloat16 && x.numel() > 0;
  };
  return q.device().is_cpu() && fits(q) && fits(k) && fits(v) && s.k <= maxHeadDim &&
         tileKernels();
}

Tensor innerContiguous(const Tensor& x) { return x.stride(-1) == 1 ? x : x.contiguous(); }

HeadView head(const Tensor& x, int64_t item, int64_t index) {
  return {data<uint16_t>(x) + item * x.stride(0) + index * x.stride(1), x.stride(2)};
}

// [1 or B, Lk] float32, or undefined
Tensor maskRows(const Tensor& mask, const Shape& s) {
  return mask.defined() ? floats(mask).view({-1, s.lk}) : Tensor();
}
const float* maskRow(const Tensor& rows, int64_t item, const Shape& s) {
  if (!rows.defined()) return nullptr;
  return data<float>(rows) + (rows.size(0) == 1 ? 0 : item * s.lk);
}

Tensor tileForward(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask,
                   const Shape& s, double scale, float* lse) {
  const TileKernels& tiles = *tileKernels();
  const Tensor out = emptyHeads(q, s, s.lq), rows = maskRows(mask, s);
  // With few heads on many cores, queries are split too, and every part packs the keys again.
  const int64_t heads = s.b * s.n, wanted = 4 * at::get_num_threads();
  const int64_t parts = std::max<int64_t>(1, std::min((wanted + heads - 1) / heads, s.lq / 512));
  const int64_t perPart = ((s.lq + parts - 1) / parts + 31) / 32 * 32;
  at::parallel_for(0, heads * parts, 1, [&](int64_t begin, int64_t end) {
    const TileScope scope(tiles);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t index = i / parts, item = index / s.n, n = index % s.n;
      const int64_t from = i % parts * perPart, count = std::min(perPart, s.lq - from);
      if (count <= 0) continue;
      HeadView queries = head(q, item, n), results = head(out, item, n);
      queries.rows = queries.row(from);
      results.rows = results.row(from);
      tiles.forward(queries, head(k, item, n), head(v, item, n), maskRow(rows, item, s), results,
                    lse ? lse + index * s.lq + from : nullptr, count, s.lk, s.k, scale);
    }
  });
  return out;
}

// --- for any device and dtype: ATen operators on a chunk of queries at a time

constexpr int64_t chunkScores = 1 << 24; // scores held at once

int64_t chunkRows(const Shape& s) {
  return std::max<int64_t>(1, std::min(s.lq, chunkScores / std::max<int64_t>(1, s.b * s.n * s.lk)));
}

// On a CPU, chunks are computed in float32: without bf16 units, bf16 products are no faster, and
// rounding to bf16 changes scores above 32 by up to 1/8.
Tensor widened(const Tensor& x) { return x.device().is_cpu() ? x.to(computeType(x)) : x; }

Tensor probabilities(const Tensor& q, const Tensor& k, const Tensor& mask, double scale) {
  Tensor scores = at::matmul(q, k.transpose(-1, -2)).to(computeType(q)).mul(scale);
  if (mask.defined()) scores = scores + mask.to(computeType(q)).reshape({-1, 1, 1, k.size(2)});
  return scores.softmax(-1);
}

Tensor chunkedForward(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask,
                      const Shape& s, double scale) {
  const Tensor out = emptyHeads(q, s, s.lq), keys = widened(k), values = widened(v);
  for (int64_t from = 0, rows = chunkRows(s); from < s.lq; from += rows) {
    const int64_t count = std::min(rows, s.lq - from);
    const Tensor p = probabilities(widened(q.narrow(2, from, count)), keys, mask, scale);
    out.narrow(2, from, count).copy_(at::matmul(p.to(values.scalar_type()), values));
  }
  return out;
}

variable_list chunkedBackward(const Tensor& q, const Tensor& k, const Tensor& v,
                              const Tensor& mask, const Tensor& out, const Tensor& dOut,
                              const Shape& s, double scale) {
  const Tensor dq = at::empty_like(q), keys = widened(k), values = widened(v);
  Tensor dk = at::zeros(k.sizes(), k.options().dtype(computeType(k))), dv = at::zeros_like(dk);
  for (int64_t from = 0, rows = chunkRows(s); from < s.lq; from += rows) {
    const int64_t count = std::min(rows, s.lq - from);
    const auto chunk = [&](const Tensor& t) { return t.narrow(2, from, count); };
    const Tensor queries = widened(chunk(q)), g = widened(chunk(dOut));
    const Tensor p = probabilities(queries, keys, mask, scale);
    dv += at::matmul(p.to(g.scalar_type()).transpose(-1, -2), g);
    const Tensor delta =
        (g.to(computeType(g)) * chunk(out).to(computeType(g))).sum(-1, true); // [B, N, chunk, 1]
    const Tensor ds =
        (p * (at::matmul(g, values.transpose(-1, -2)).to(computeType(g)) - delta) * scale)
            .to(keys.scalar_type());
    chunk(dq).copy_(at::matmul(ds, keys));
    dk += at::matmul(ds.transpose(-1, -2), queries);
  }
  return {dq, dk.to(k.scalar_type()), dv.to(v.scalar_type())};
}

Tensor forward(const Tensor& q, const Tensor& k, const Tensor& v, const OptionalTensor& mask,
               double scale) {
  const Shape s = shapeOf(q, k, v, orNone(mask));
  if (hasDeviceAttention(q)) return deviceAttention(q, k, v, orNone(mask), scale);
  if (!onTiles(q, k, v, s)) return chunkedForward(q, k, v, orNone(mask), s, scale);
  return tileForward(innerContiguous(q), innerContiguous(k), innerContiguous(v), orNone(mask), s,
                     scale, nullptr);
}

struct Attention : torch::autograd::Function<Attention> {
  static Tensor forward(AutogradContext* context, const Tensor& qInput, const Tensor& kInput,
                        const Tensor& vInput, const OptionalTensor& maskInput, double scale) {
    at::AutoDispatchBelowADInplaceOrView below;
    const Tensor q = innerContiguous(qInput), k = innerContiguous(kInput);
    const Tensor v = innerContiguous(vInput), mask = orNone(maskInput);
    const Shape s = shapeOf(q, k, v, mask);
    Tensor out, lse;
    if (onTiles(q, k, v, s)) {
      lse = at::empty({s.b, s.n, s.lq}, at::kFloat);
      out = tileForward(q, k, v, mask, s, scale, data<float>(lse));
    } else {
      out = chunkedForward(q, k, v, mask, s, scale);
    }
    context->save_for_backward({q, k, v, mask, out, lse});
    context->saved_data["scale"] = scale;
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &q = saved[0], &k = saved[1], &v = saved[2], &mask = saved[3], &out = saved[4];
    const Tensor &lse = saved[5], dOut = innerContiguous(gradients[0]);
    const double scale = context->saved_data["scale"].toDouble();
    const Shape s = shapeOf(q, k, v, mask);
    variable_list d;
    if (lse.defined()) {
      d = {emptyHeads(q, s, s.lq), emptyHeads(k, s, s.lk), emptyHeads(v, s, s.lk)};
      const TileKernels& tiles = *tileKernels();
      const Tensor rows = maskRows(mask, s);
      at::parallel_for(0, s.b * s.n, 1, [&](int64_t begin, int64_t end) {
        const TileScope scope(tiles);
        for (int64_t i = begin; i < end; ++i) {
          const auto at = [&](const Tensor& t) { return head(t, i / s.n, i % s.n); };
          tiles.backward(at(q), at(k), at(v), maskRow(rows, i / s.n, s), at(out), at(dOut),
                         data<float>(lse) + i * s.lq, at(d[0]), at(d[1]), at(d[2]), s.lq, s.lk,
                         s.k, scale);
        }
      });
    } else {
      d = chunkedBackward(q, k, v, mask, out, dOut, s, scale);
    }
    return {d[0], d[1], d[2], Tensor(), Tensor()};
  }
};

Tensor autograd(const Tensor& q, const Tensor& k, const Tensor& v, const OptionalTensor& mask,
                double scale) {
  TORCH_CHECK(!needsGrad({orNone(mask)}), "attention: mask cannot require a gradient");
  if (needsGrad({q, k, v}) && hasDeviceAttention(q)) return forward(q, k, v, mask, scale);
  if (needsGrad({q, k, v})) return Attention::apply(q, k, v, mask, scale);
  at::AutoDispatchBelowADInplaceOrView below;
  return forward(q, k, v, mask, scale);
}

} // namespace

TORCH_LIBRARY_FRAGMENT(mfm, library) {
  library.def("attention(Tensor q, Tensor k, Tensor v, Tensor? mask, float scale) -> Tensor");
}
TORCH_LIBRARY_IMPL(mfm, CompositeExplicitAutograd, library) { library.impl("attention", forward); }
TORCH_LIBRARY_IMPL(mfm, Autograd, library) { library.impl("attention", autograd); }

} // namespace mfm::kernels
