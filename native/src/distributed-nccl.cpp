// c10d's NCCL for tensors on NVIDIA GPUs; in a separate file because only this needs CUDA's
// headers.
#include "distributed.h"

#ifdef USE_C10D_GLOO
#ifdef USE_C10D_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

namespace mfm {

#ifdef USE_C10D_NCCL
bool hasNccl() { return true; }

GroupPtr createNccl(const StorePtr& store, int rank, int size, std::chrono::milliseconds timeout) {
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = timeout;
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(store, rank, size, options);
}
#else
bool hasNccl() { return false; }

GroupPtr createNccl(const StorePtr&, int, int, std::chrono::milliseconds) {
  throw std::runtime_error("built without NCCL");
}
#endif

}  // namespace mfm
#endif
