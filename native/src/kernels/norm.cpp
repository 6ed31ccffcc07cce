// mfm::norm_modulate: y = norm(x) * weight * (1 + scale) + shift, one pass over x, and its gradient.
#include "operators.h"

namespace mfm::kernels {
namespace {

// Factors (a) and offsets (b) per batch item: [B, D] or [1, D] float32; undefined means none.
struct Affine {
  Tensor a, b;
  int64_t groups; // number of batch items with separate factors
};

Tensor perItem(const Tensor& t, int64_t d) {
  return t.defined() ? floats(t).view({-1, d}) : Tensor();
}

Affine affine(const Tensor& weight, const Tensor& shift, const Tensor& scale, int64_t d) {
  const Tensor w = perItem(weight, d), s = perItem(scale, d), b = perItem(shift, d);
  Affine out{w, b, std::max(s.defined() ? s.size(0) : 1, b.defined() ? b.size(0) : 1)};
  if (!s.defined()) return out;
  out.a = at::empty_like(s);
  const float* wp = w.defined() ? data<float>(w) : nullptr;
  const float* sp = data<float>(s);
  float* ap = data<float>(out.a);
  for (int64_t i = 0, n = s.numel(); i < n; ++i) ap[i] = (wp ? wp[i % d] : 1.0f) * (1.0f + sp[i]);
  return out;
}

const float* itemRow(const Tensor& t, int64_t item, int64_t d) {
  if (!t.defined()) return nullptr;
  return data<float>(t) + (t.size(0) == 1 ? 0 : item * d);
}

Tensor plain(const Tensor& x, const OptionalTensor& weight, const OptionalTensor& shift,
             const OptionalTensor& scale, double eps, bool rms) {
  const auto type = computeType(x);
  const auto perRow = [&](const Tensor& t) { return t.to(type).reshape({-1, 1, x.size(-1)}); };
  Tensor y = x.to(type);
  if (!rms) y = y - y.mean(-1, true);
  y = y * (y.pow(2).mean(-1, true) + eps).rsqrt();
  if (weight.has_value()) y = y * weight->to(type);
  if (scale.has_value()) y = y * (1 + perRow(*scale));
  if (shift.has_value()) y = y + perRow(*shift);
  return y.to(x.scalar_type());
}

// The sizes of [B, L, D]; for other ranks, which have no per-item factors, B is 1.
struct Sizes {
  int64_t b, l, d;
  explicit Sizes(const Tensor& x)
      : b(x.dim() == 3 ? x.size(0) : 1), d(x.size(-1)) {
    l = x.numel() == 0 ? 0 : x.numel() / (b * d);
  }
};

void check(const Tensor& x, const OptionalTensor& weight, const OptionalTensor& shift,
           const OptionalTensor& scale) {
  expectOneDevice("norm_modulate", {x, orNone(weight), orNone(shift), orNone(scale)});
  const bool modulated = shift.has_value() || scale.has_value();
  TORCH_CHECK(x.dim() == 3 || (x.dim() > 0 && !modulated),
              "norm_modulate: x must be [B, L, D], got ", x.sizes());
  const int64_t b = x.size(0), d = x.size(-1);
  TORCH_CHECK(!weight.has_value() || weight->numel() == d, "norm_modulate: weight must be [", d,
              "], got ", weight->sizes());
  for (const auto& t : {shift, scale}) {
    TORCH_CHECK(!t.has_value() || t->numel() == b * d || t->numel() == d,
                "norm_modulate: shift and scale must be [", b, ", 1, ", d, "], got ", t->sizes());
  }
}

Tensor forward(const Tensor& input, const OptionalTensor& weight, const OptionalTensor& shift,
               const OptionalTensor& scale, double eps, bool rms) {
  check(input, weight, shift, scale);
  if (!fits(input)) return plain(input, weight, shift, scale, eps, rms);
  const Tensor x = input.contiguous();
  const Sizes sizes(x);
  const int64_t b = sizes.b, l = sizes.l, d = sizes.d;
  const Affine factors = affine(orNone(weight), orNone(shift), orNone(scale), d);
  Tensor y = at::empty_like(x);
  const int64_t perItemPieces = pieces(l);
  withType(x, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    parallelPieces(b * perItemPieces, d * rowsPerPiece, [&](int64_t begin, int64_t end) {
      std::vector<float> scratch(d);
      for (int64_t piece = begin; piece < end; ++piece) {
        const int64_t item = piece / perItemPieces, row = piece % perItemPieces * rowsPerPiece;
        const int64_t at = (item * l + row) * d;
        rows<T>().normForward(data<T>(x) + at, data<T>(y) + at, itemRow(factors.a, item, d),
                              itemRow(factors.b, item, d), scratch.data(),
                              std::min(rowsPerPiece, l - row), d, eps, rms);
      }
    });
  });
  return y;
}

struct Gradients {
  Tensor x, weight, shift, scale;
};

// Per item, productSum = sum over L of dy * xhat, and plainSum = sum over L of dy. From these
// follow d scale = productSum * weight, d weight = sum over items of productSum * (1 + scale), and
// d shift = plainSum.
Gradients backward(const Tensor& x, const Tensor& dy, const Tensor& weight, const Tensor& shift,
                   const Tensor& scale, double eps, bool rms) {
  const Sizes sizes(x);
  const int64_t b = sizes.b, l = sizes.l, d = sizes.d;
  const Affine factors = affine(weight, shift, scale, d);
  const bool sums = weight.defined() || shift.defined() || scale.defined();
  const int64_t perItemPieces = pieces(l);
  Gradients out{at::empty_like(x), {}, {}, {}};
  const Tensor partial = at::empty({sums ? b * perItemPieces : 0, 2, d}, at::kFloat);
  withType(x, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    parallelPieces(b * perItemPieces, 2 * d * rowsPerPiece, [&](int64_t begin, int64_t end) {
      std::vector<float> scratch(2 * d);
      for (int64_t piece = begin; piece < end; ++piece) {
        const int64_t item = piece / perItemPieces, row = piece % perItemPieces * rowsPerPiece;
        const int64_t at = (item * l + row) * d;
        float* sum = sums ? data<float>(partial) + piece * 2 * d : nullptr;
        if (sum) std::fill(sum, sum + 2 * d, 0.0f);
        rows<T>().normBackward(data<T>(x) + at, data<T>(dy) + at, data<T>(out.x) + at,
                               itemRow(factors.a, item, d), sum, sum ? sum + d : nullptr,
                               scratch.data(), std::min(rowsPerPiece, l - row), d, eps, rms);
      }
    });
  });
  if (!sums) return out;
  const Tensor total = partial.view({b, perItemPieces, 2, d}).sum(1); // [B, 2, D]
  const Tensor products = total.select(1, 0);
  const auto fold = [&](const Tensor& gradient, const Tensor& like) {
    const bool shared = like.numel() == d && b > 1;
    return (shared ? gradient.sum(0) : gradient).reshape(like.sizes()).to(like.scalar_type());
  };
  if (shift.defined()) out.shift = fold(total.select(1, 1), shift);
  if (scale.defined()) {
    out.scale = fold(weight.defined() ? products * weight : products, scale);
  }
  if (weight.defined()) {
    const Tensor scaled = scale.defined() ? products * (1 + perItem(scale, d)) : products;
    out.weight = scaled.sum(0).reshape(weight.sizes()).to(weight.scalar_type());
  }
  return out;
}

struct NormModulate : torch::autograd::Function<NormModulate> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const OptionalTensor& weight,
                        const OptionalTensor& shift, const OptionalTensor& scale, double eps,
                        bool rms) {
    at::AutoDispatchBelowADInplaceOrView below;
    const Tensor input = x.contiguous();
    context->save_for_backward({input, orNone(weight), orNone(shift), orNone(scale)});
    context->saved_data["eps"] = eps;
    context->saved_data["rms"] = rms;
    return kernels::forward(input, weight, shift, scale, eps, rms);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    Gradients out = kernels::backward(saved[0], gradients[0].contiguous(), saved[1], saved[2],
                                      saved[3], context->saved_data["eps"].toDouble(),
                                      context->saved_data["rms"].toBool());
    return {out.x, out.weight, out.shift, out.scale, Tensor(), Tensor()};
  }
};

Tensor autograd(const Tensor& x, const OptionalTensor& weight, const OptionalTensor& shift,
                const OptionalTensor& scale, double eps, bool rms) {
  check(x, weight, shift, scale);
  if (needsGrad({x, orNone(weight), orNone(shift), orNone(scale)})) {
    if (!fits(x)) return plain(x, weight, shift, scale, eps, rms);
    return NormModulate::apply(x, weight, shift, scale, eps, rms);
  }
  at::AutoDispatchBelowADInplaceOrView below;
  return forward(x, weight, shift, scale, eps, rms);
}

} // namespace

TORCH_LIBRARY_FRAGMENT(mfm, library) {
  library.def("norm_modulate(Tensor x, Tensor? weight, Tensor? shift, Tensor? scale, float eps, "
              "bool rms) -> Tensor");
}
TORCH_LIBRARY_IMPL(mfm, CompositeExplicitAutograd, library) {
  library.impl("norm_modulate", forward);
}
TORCH_LIBRARY_IMPL(mfm, Autograd, library) { library.impl("norm_modulate", autograd); }

} // namespace mfm::kernels
