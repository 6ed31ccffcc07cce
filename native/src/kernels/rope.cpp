// mfm::rms_norm_rope: RMS norm and rotary embedding of queries or keys, laid out for attention.
#include "operators.h"

namespace mfm::kernels {
namespace {

// x [B, L, N, K]; weight [N * K] = norm over all heads together, [K] = per head; cos and signed_sin
// [L, K] or [B, L, K], where channels 2i and 2i + 1 share an angle and the sine is negated at 2i.
// Returns [B, N, L, K], a view of [B, L, N, K] memory.
struct Shape {
  int64_t b, l, n, k;
  int64_t heads; // normalised together
  int64_t turns() const { return b * l * n / heads; }
};

Shape shapeOf(const Tensor& x, const Tensor& weight, const OptionalTensor& cosine,
              const OptionalTensor& sine) {
  expectOneDevice("rms_norm_rope", {x, weight, orNone(cosine), orNone(sine)});
  TORCH_CHECK(x.dim() == 4 && x.size(2) > 0 && x.size(3) > 0,
              "rms_norm_rope: x must be [B, L, N, K] with heads and channels, got ", x.sizes());
  const Shape s{x.size(0), x.size(1), x.size(2), x.size(3), weight.numel() / x.size(3)};
  TORCH_CHECK(weight.numel() == s.n * s.k || weight.numel() == s.k,
              "rms_norm_rope: weight must be [", s.n * s.k, "] or [", s.k, "], got ",
              weight.sizes());
  TORCH_CHECK(cosine.has_value() == sine.has_value(),
              "rms_norm_rope: cos and signed_sin must be given together");
  TORCH_CHECK(!cosine.has_value() || s.k % 2 == 0,
              "rms_norm_rope: channels are turned in pairs, so K must be even, got ", s.k);
  for (const auto& t : {cosine, sine}) {
    TORCH_CHECK(!t.has_value() || t->numel() == s.l * s.k || t->numel() == s.b * s.l * s.k,
                "rms_norm_rope: cos and signed_sin must be [", s.l, ", ", s.k, "], got ", t->sizes());
  }
  return s;
}

Tensor plain(const Tensor& x, const Tensor& weight, const OptionalTensor& cosine,
             const OptionalTensor& sine, double eps) {
  const Shape s = shapeOf(x, weight, cosine, sine);
  const auto type = computeType(x);
  Tensor y = x.to(type).reshape({s.b, s.l, s.n / s.heads, s.heads * s.k});
  y = y * (y.pow(2).mean(-1, true) + eps).rsqrt() * weight.to(type);
  y = y.reshape({s.b, s.l, s.n, s.k}).transpose(1, 2); // [B, N, L, K]
  if (cosine.has_value()) {
    const Tensor pairs = y.unflatten(-1, {s.k / 2, 2});
    const Tensor swapped = at::stack({pairs.select(-1, 1), pairs.select(-1, 0)}, -1).flatten(-2);
    const auto table = [&](const Tensor& t) { return t.to(type).reshape({-1, 1, s.l, s.k}); };
    y = y * table(*cosine) + swapped * table(*sine);
  }
  return y.to(x.scalar_type());
}

struct Tables {
  Tensor cosine, sine;
  Tables(const OptionalTensor& c, const OptionalTensor& s) {
    if (!c.has_value()) return;
    cosine = floats(*c);
    sine = floats(*s);
  }
  // The table row for row r, counted over [B, L, N / heads].
  static const float* at(const Tensor& table, const Shape& s, int64_t r) {
    if (!table.defined()) return nullptr;
    return data<float>(table) + r / (s.n / s.heads) % (table.numel() / s.k) * s.k;
  }
};

Tensor forward(const Tensor& input, const Tensor& weight, const OptionalTensor& cosine,
               const OptionalTensor& sine, double eps) {
  if (!fits(input)) return plain(input, weight, cosine, sine, eps);
  const Shape s = shapeOf(input, weight, cosine, sine);
  const Tensor x = input.contiguous(), w = floats(weight);
  const Tables tables(cosine, sine);
  const Tensor y = at::empty_like(x);
  const int64_t d = s.heads * s.k;
  withType(x, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    parallelPieces(s.turns(), d, [&](int64_t begin, int64_t end) {
      std::vector<float> scratch(d);
      for (int64_t r = begin; r < end; ++r) {
        rows<T>().ropeForward(data<T>(x) + r * d, data<T>(y) + r * d, data<float>(w),
                              Tables::at(tables.cosine, s, r), Tables::at(tables.sine, s, r),
                              scratch.data(), s.heads, s.k, eps);
      }
    });
  });
  return y.transpose(1, 2);
}

struct RmsNormRope : torch::autograd::Function<RmsNormRope> {
  static Tensor forward(AutogradContext* context, const Tensor& input, const Tensor& weight,
                        const OptionalTensor& cosine, const OptionalTensor& sine, double eps) {
    at::AutoDispatchBelowADInplaceOrView below;
    const Tensor x = input.contiguous();
    context->save_for_backward({x, weight, orNone(cosine), orNone(sine)});
    context->saved_data["eps"] = eps;
    return kernels::forward(x, weight, cosine, sine, eps);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1];
    const OptionalTensor cosine = asOptional(saved[2]), sine = asOptional(saved[3]);
    const double eps = context->saved_data["eps"].toDouble();
    const Shape s = shapeOf(x, weight, cosine, sine);
    const Tensor dy = gradients[0].transpose(1, 2).contiguous(), w = floats(weight); // [B, L, N, K]
    const Tables tables(cosine, sine);
    Tensor dx = at::empty_like(x);
    const int64_t d = s.heads * s.k;
    const int64_t run = rowsPerPiece * s.n / s.heads, count = (s.turns() + run - 1) / run;
    const Tensor partial = at::zeros({count, d}, at::kFloat);
    withType(x, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      parallelPieces(count, 2 * d * run, [&](int64_t begin, int64_t end) {
        std::vector<float> scratch(2 * d);
        for (int64_t piece = begin; piece < end; ++piece) {
          const int64_t stop = std::min(s.turns(), (piece + 1) * run);
          for (int64_t r = piece * run; r < stop; ++r) {
            rows<T>().ropeBackward(data<T>(x) + r * d, data<T>(dy) + r * d, data<T>(dx) + r * d,
                                   data<float>(w), Tables::at(tables.cosine, s, r),
                                   Tables::at(tables.sine, s, r), data<float>(partial) + piece * d,
                                   scratch.data(), s.heads, s.k, eps);
          }
        }
      });
    });
    const Tensor dWeight = partial.sum(0).view(weight.sizes()).to(weight.scalar_type());
    return {dx, dWeight, Tensor(), Tensor(), Tensor()};
  }
};

Tensor autograd(const Tensor& x, const Tensor& weight, const OptionalTensor& cosine,
                const OptionalTensor& sine, double eps) {
  if (needsGrad({x, weight})) {
    if (!fits(x)) return plain(x, weight, cosine, sine, eps);
    return RmsNormRope::apply(x, weight, cosine, sine, eps);
  }
  at::AutoDispatchBelowADInplaceOrView below;
  return forward(x, weight, cosine, sine, eps);
}

} // namespace

TORCH_LIBRARY_FRAGMENT(mfm, library) {
  library.def("rms_norm_rope(Tensor x, Tensor weight, Tensor? cos, Tensor? signed_sin, "
              "float eps) -> Tensor");
}
TORCH_LIBRARY_IMPL(mfm, CompositeExplicitAutograd, library) {
  library.impl("rms_norm_rope", forward);
}
TORCH_LIBRARY_IMPL(mfm, Autograd, library) { library.impl("rms_norm_rope", autograd); }

} // namespace mfm::kernels
