// mfm::adamw_: one pass over every parameter of a model; mfm::grad_norm: its global gradient norm.
#include "operators.h"

#include <cmath>

namespace mfm::kernels {
namespace {

constexpr int64_t run = 16384; // elements per work item

struct Piece {
  size_t tensor;
  int64_t from, count;
};

std::vector<Piece> cut(at::TensorList tensors) {
  std::vector<Piece> out;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const int64_t n = tensors[i].numel();
    for (int64_t from = 0; from < n; from += run) out.push_back({i, from, std::min(run, n - from)});
  }
  return out;
}

void expectFloats(at::TensorList tensors, size_t count, const char* name) {
  TORCH_CHECK(tensors.size() == count, "adamw_: ", name, " must list ", count, " tensors, got ",
              tensors.size());
  for (const Tensor& t : tensors) {
    TORCH_CHECK(t.scalar_type() == at::kFloat && t.is_contiguous(), "adamw_: ", name,
                " must be contiguous float32");
  }
}

bool onCpu(at::TensorList tensors) {
  return std::all_of(tensors.begin(), tensors.end(),
                     [](const Tensor& t) { return t.device().is_cpu(); });
}

// The update of one parameter by ATen operators, for any device.
void updatePlain(const Tensor& param, const Tensor& grad, const Tensor& mean, const Tensor& square,
                 const AdamwFactors& f) {
  const Tensor g = grad.to(at::kFloat) * f.gradScale;
  mean.add_(g - mean, f.meanRate);
  square.mul_(f.squareKeep).addcmul_(g, g, f.squareRate);
  const Tensor denominator = square.sqrt().mul_(f.squareCorrection).add_(f.eps);
  param.mul_(f.decay).addcdiv_(mean, denominator, -f.step);
}

// params, expAvgs, expAvgSqs are float32; grads float32 or bfloat16; copies are bfloat16 versions
// of the params, which are refreshed, or an empty list. step counts from 1.
void adamw(at::TensorList params, at::TensorList grads, at::TensorList expAvgs,
           at::TensorList expAvgSqs, at::TensorList copies, double lr, double beta1, double beta2,
           double eps, double weightDecay, int64_t step, double gradScale) {
  expectFloats(params, params.size(), "params");
  expectFloats(expAvgs, params.size(), "exp_avgs");
  expectFloats(expAvgSqs, params.size(), "exp_avg_sqs");
  TORCH_CHECK(grads.size() == params.size(), "adamw_: grads must list ", params.size(),
              " tensors, got ", grads.size());
  TORCH_CHECK(copies.empty() || copies.size() == params.size(), "adamw_: copies must list ",
              params.size(), " tensors or none, got ", copies.size());
  std::vector<Tensor> ready;
  ready.reserve(grads.size());
  for (size_t i = 0; i < grads.size(); ++i) {
    TORCH_CHECK(grads[i].sizes() == params[i].sizes() && expAvgs[i].sizes() == params[i].sizes() &&
                    expAvgSqs[i].sizes() == params[i].sizes(),
                "adamw_: parameter ", i, " is ", params[i].sizes(), ", its gradient ",
                grads[i].sizes());
    TORCH_CHECK(copies.empty() || (copies[i].scalar_type() == at::kBFloat16 &&
                                   copies[i].is_contiguous() &&
                                   copies[i].sizes() == params[i].sizes()),
                "adamw_: copy ", i, " must be contiguous bfloat16 of the parameter's shape");
    expectOneDevice("adamw_", {params[i], grads[i], expAvgs[i], expAvgSqs[i],
                               copies.empty() ? Tensor() : copies[i]});
    ready.push_back(fits(grads[i]) ? grads[i].contiguous() : floats(grads[i]));
  }
  const AdamwFactors factors{
      static_cast<float>(gradScale),
      static_cast<float>(1 - beta1),
      static_cast<float>(beta2),
      static_cast<float>(1 - beta2),
      static_cast<float>(1 / std::sqrt(1 - std::pow(beta2, step))),
      static_cast<float>(lr / (1 - std::pow(beta1, step))),
      static_cast<float>(1 - lr * weightDecay),
      static_cast<float>(eps),
  };
  if (!onCpu(params)) {
    const at::NoGradGuard noGrad;
    for (size_t i = 0; i < params.size(); ++i) {
      updatePlain(params[i], ready[i], expAvgs[i], expAvgSqs[i], factors);
      if (!copies.empty()) copies[i].copy_(params[i]);
    }
    return;
  }
  const std::vector<Piece> work = cut(params);
  parallelPieces(work.size(), run, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const size_t index = work[i].tensor;
      const int64_t at = work[i].from, n = work[i].count;
      uint16_t* copy = copies.empty() ? nullptr : data<uint16_t>(copies[index]) + at;
      withType(ready[index], [&](auto* type) {
        using T = std::remove_pointer_t<decltype(type)>;
        rows<T>().adamw(data<float>(params[index]) + at, data<T>(ready[index]) + at,
                        data<float>(expAvgs[index]) + at, data<float>(expAvgSqs[index]) + at, copy,
                        n, factors);
      });
    }
  });
}

// The 2-norm over all tensors together, a float32 scalar on their device.
Tensor gradNorm(at::TensorList tensors) {
  std::vector<Tensor> ready;
  ready.reserve(tensors.size());
  for (const Tensor& t : tensors) ready.push_back(fits(t) ? t.contiguous() : floats(t));
  if (!onCpu(tensors)) {
    std::vector<Tensor> norms;
    for (const Tensor& t : ready) norms.push_back(t.norm());
    return at::stack(norms).norm();
  }
  const std::vector<Piece> work = cut(ready);
  std::vector<double> partial(work.size());
  parallelPieces(work.size(), run, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Piece& piece = work[i];
      withType(ready[piece.tensor], [&](auto* type) {
        using T = std::remove_pointer_t<decltype(type)>;
        partial[i] = rows<T>().sumSquares(data<T>(ready[piece.tensor]) + piece.from, piece.count);
      });
    }
  });
  double total = 0;
  for (const double p : partial) total += p;
  return at::full({}, std::sqrt(total), at::kFloat);
}

} // namespace

TORCH_LIBRARY_FRAGMENT(mfm, library) {
  library.def("adamw_(Tensor(a!)[] params, Tensor[] grads, Tensor(b!)[] exp_avgs, "
              "Tensor(c!)[] exp_avg_sqs, Tensor(d!)[] copies, float lr, float beta1, float beta2, "
              "float eps, float weight_decay, int step, float grad_scale) -> ()");
  library.def("grad_norm(Tensor[] tensors) -> Tensor");
}
TORCH_LIBRARY_IMPL(mfm, CompositeExplicitAutograd, library) {
  library.impl("adamw_", adamw);
  library.impl("grad_norm", gradNorm);
}
// on some devices LibTorch 1.13 does not fall through the autograd key by itself
TORCH_LIBRARY_IMPL(mfm, Autograd, library) {
  library.impl("adamw_", torch::CppFunction::makeFallthrough());
  library.impl("grad_norm", torch::CppFunction::makeFallthrough());
}

} // namespace mfm::kernels
