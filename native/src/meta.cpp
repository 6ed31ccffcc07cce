// Shape functions for the meta device, which holds no values. LibTorch implements those of some
// operators in Python only. With the ones here a whole model can be run without memory, which also
// reveals tensors left on another device.
#include "bridge.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/WrapDimUtils.h>
#include <torch/library.h>

#include <memory>

namespace mfm {

namespace {

using at::IntArrayRef;
using at::Tensor;
template <class T> using Optional = c10::optional<T>;

Tensor emptyLike(const Tensor& x, IntArrayRef sizes) { return at::empty(sizes, x.options()); }

Tensor convolution(const Tensor& x, const Tensor& weight, const Optional<Tensor>&,
                   IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation, bool transposed,
                   IntArrayRef outputPadding, int64_t groups) {
  const auto dims = static_cast<size_t>(std::max<int64_t>(0, x.dim() - 2));
  TORCH_CHECK(dims > 0 && weight.dim() == x.dim() && stride.size() == dims &&
                  padding.size() == dims && dilation.size() == dims && outputPadding.size() == dims,
              "convolution: needs a stride, a padding and a dilation for every dimension");
  for (const int64_t step : stride) TORCH_CHECK(step > 0, "convolution: strides must be above 0");
  std::vector<int64_t> sizes{x.size(0), transposed ? weight.size(1) * groups : weight.size(0)};
  for (int64_t i = 0; i < x.dim() - 2; ++i) {
    const int64_t in = x.size(i + 2), reach = dilation[i] * (weight.size(i + 2) - 1) + 1;
    sizes.push_back(transposed
                        ? (in - 1) * stride[i] - 2 * padding[i] + reach + outputPadding[i]
                        : (in + 2 * padding[i] - reach) / stride[i] + 1);
  }
  return emptyLike(x, sizes);
}

Tensor indexSelect(const Tensor& x, int64_t dim, const Tensor& index) {
  std::vector<int64_t> sizes = x.sizes().vec();
  sizes[at::maybe_wrap_dim(dim, x.dim(), /*wrap_scalar=*/false)] = index.numel();
  return emptyLike(x, sizes);
}

std::tuple<Tensor, Tensor, Tensor> layerNorm(const Tensor& x, IntArrayRef normalized,
                                             const Optional<Tensor>&, const Optional<Tensor>&,
                                             double) {
  std::vector<int64_t> rows = x.sizes().vec();
  TORCH_CHECK(normalized.size() <= rows.size(), "layer_norm: more sizes than dimensions");
  std::fill(rows.end() - static_cast<int64_t>(normalized.size()), rows.end(), 1);
  return std::make_tuple(emptyLike(x, x.sizes()), emptyLike(x, rows), emptyLike(x, rows));
}

Tensor same(const Tensor& x) { return emptyLike(x, x.sizes()); }

Tensor whereSelf(const Tensor& condition, const Tensor& a, const Tensor& b) {
  return emptyLike(a, (condition.to(a.scalar_type()) + a + b).sizes());
}

Tensor& whereSelfOut(const Tensor& condition, const Tensor& a, const Tensor& b, Tensor& out) {
  out.resize_(whereSelf(condition, a, b).sizes());
  return out;
}

// completeMeta(): registers the shape functions that the models here need and LibTorch lacks
napi_value completeMeta(Args& args) {
  static std::unique_ptr<torch::Library> library;
  if (library) return undefined(args.env);
  library = std::make_unique<torch::Library>(torch::Library::IMPL, "aten", c10::DispatchKey::Meta,
                                             __FILE__, __LINE__);
  const auto add = [&](const std::string& name, const std::string& overload, auto* kernel) {
    const auto found = c10::Dispatcher::singleton().findSchema({"aten::" + name, overload});
    if (!found || found->hasKernelForDispatchKey(c10::DispatchKey::Meta)) return;
    library->impl((overload.empty() ? name : name + "." + overload).c_str(), kernel);
  };
  add("convolution_overrideable", "", convolution);
  add("index_select", "", indexSelect);
  add("native_layer_norm", "", layerNorm);
  add("abs", "", same);
  add("relu", "", same);
  add("where", "self", whereSelf);
  add("where", "self_out", whereSelfOut);
  return undefined(args.env);
}

}  // namespace

void initMeta(napi_env env, napi_value exports) {
  exportFunction(env, exports, "completeMeta", completeMeta);
}

}  // namespace mfm
