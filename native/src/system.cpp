// Threads and versions.
#include "bridge.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/version.h>

namespace mfm {

namespace {

napi_value setThreads(Args& args) {
  const int64_t count = toInt(args.env, args[0]);
  // OpenMP aborts the process if the system refuses to create a thread
  if (count < 1 || count > 1024) {
    throw std::runtime_error("the number of threads must be from 1 to 1024, got " +
                             std::to_string(count));
  }
  at::set_num_threads(static_cast<int>(count));
  return undefined(args.env);
}

napi_value threads(Args& args) { return fromDouble(args.env, at::get_num_threads()); }

napi_value version(Args& args) { return fromString(args.env, TORCH_VERSION); }

// buildConfig(): LibTorch's own description of its build and of the CPU kernels it picked
napi_value buildConfig(Args& args) { return fromString(args.env, at::show_config()); }

}  // namespace

void initSystem(napi_env env, napi_value exports) {
  exportFunction(env, exports, "setThreads", setThreads);
  exportFunction(env, exports, "threads", threads);
  exportFunction(env, exports, "version", version);
  exportFunction(env, exports, "buildConfig", buildConfig);
}

}  // namespace mfm
