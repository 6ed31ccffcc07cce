// Helpers shared by the operators of mfm::: dtype dispatch, float32 rows, threading, autograd glue.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <initializer_list>
#include <type_traits>

#include "rows.h"

namespace mfm::kernels {

using at::Tensor;
using OptionalTensor = c10::optional<Tensor>;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/** Can the row kernels read x? It must be on the CPU, in float32 or bfloat16. */
inline bool fits(const Tensor& x) {
  return x.device().is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

/**
 * Throws unless all tensors are on the device of the first. The row kernels access memory by
 * pointers, which are invalid for memory of another device.
 */
inline void expectOneDevice(const char* where, std::initializer_list<Tensor> tensors) {
  const c10::Device device = tensors.begin()->device();
  for (const Tensor& t : tensors) {
    TORCH_CHECK(!t.defined() || t.device() == device, where, ": all tensors must be on ", device,
                ", got one on ", t.device());
  }
}

/** The dtype in which to compute on x: float32, or float64 if that is its own. */
inline at::ScalarType computeType(const Tensor& x) {
  return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

/** Calls f with a null pointer whose type, `float*` or `uint16_t*`, stands for x's element type. */
template <class Body> auto withType(const Tensor& x, Body&& f) {
  return x.scalar_type() == at::kFloat ? f(static_cast<float*>(nullptr))
                                       : f(static_cast<uint16_t*>(nullptr));
}

template <class T> T* data(const Tensor& x) { return static_cast<T*>(x.data_ptr()); }

/** x as contiguous float32, copied only if it is not. */
inline Tensor floats(const Tensor& x) { return x.to(at::kFloat).contiguous(); }

/** The tensor, or an undefined one if there is none. */
inline Tensor orNone(const OptionalTensor& x) { return x.has_value() ? *x : Tensor(); }
inline OptionalTensor asOptional(const Tensor& x) {
  return x.defined() ? OptionalTensor(x) : OptionalTensor();
}

inline bool needsGrad(std::initializer_list<Tensor> inputs) {
  if (!at::GradMode::is_enabled()) return false;
  return std::any_of(inputs.begin(), inputs.end(),
                     [](const Tensor& t) { return t.defined() && t.requires_grad(); });
}

/** Rows per work item; fixed, so that results do not depend on the number of threads. */
constexpr int64_t rowsPerPiece = 32;

inline int64_t pieces(int64_t rows) { return (rows + rowsPerPiece - 1) / rowsPerPiece; }

/** parallel_for over work items of about `cost` elements each; small work stays on one thread. */
template <class Body> void parallelPieces(int64_t count, int64_t cost, const Body& body) {
  constexpr int64_t worthAThread = 16384;
  const int64_t grain = std::max<int64_t>(1, worthAThread / std::max<int64_t>(1, cost));
  at::parallel_for(0, count, grain, body);
}

} // namespace mfm::kernels
