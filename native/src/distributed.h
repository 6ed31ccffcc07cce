// Types shared by distributed*.cpp.
#pragma once

#include "bridge.h"

#ifdef USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include <chrono>
#include <type_traits>

namespace mfm {

// The class that has the collectives: c10d's ProcessGroup in LibTorch 1.13, its Backend in 2.x.
using Group = std::conditional_t<std::is_base_of_v<c10d::Backend, c10d::ProcessGroupGloo>,
                                 c10d::Backend, c10d::ProcessGroup>;
using StorePtr = c10::intrusive_ptr<c10d::Store>;
using GroupPtr = c10::intrusive_ptr<Group>;

bool hasNccl();
// @throws std::runtime_error without NCCL
GroupPtr createNccl(const StorePtr& store, int rank, int size, std::chrono::milliseconds timeout);

}  // namespace mfm
#endif
