// The devices that LibTorch can compute on, and those that an NVIDIA driver reports.
#include "bridge.h"

#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <dlfcn.h>

namespace mfm {

namespace {

// Does this LibTorch have kernels for a kind of device, whether or not the machine has one?
bool hasKernels(c10::DispatchKey key) {
  const auto empty = c10::Dispatcher::singleton().findSchema({"aten::empty", "memory_format"});
  return empty && empty->hasKernelForDispatchKey(key);
}

// The driver's own interface, loaded by name. It is available even with a CPU-only LibTorch, and
// LibTorch's headers offer no way to query a device's properties that is stable across versions.
// Source: CUDA Driver API, cuda.h
struct Driver {
  using Device = int;
  static constexpr int majorAttribute = 75, minorAttribute = 76; // CU_DEVICE_ATTRIBUTE_COMPUTE_…
  int (*init)(unsigned) = nullptr;
  int (*getCount)(int*) = nullptr;
  int (*getDevice)(Device*, int) = nullptr;
  int (*getName)(char*, int, Device) = nullptr;
  int (*getAttribute)(int*, int, Device) = nullptr;
  int (*getMemory)(size_t*, Device) = nullptr;
  bool found = false;

  Driver() {
    void* library = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
    if (library == nullptr) return;
    const auto find = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
      return function != nullptr;
    };
    found = find(init, "cuInit") && find(getCount, "cuDeviceGetCount") &&
            find(getDevice, "cuDeviceGet") && find(getName, "cuDeviceGetName") &&
            find(getAttribute, "cuDeviceGetAttribute") && find(getMemory, "cuDeviceTotalMem_v2");
  }

  // The number of devices; -1 without a driver, 0 also if the driver fails.
  int count() const {
    int devices = 0;
    if (!found) return -1;
    return init(0) == 0 && getCount(&devices) == 0 ? devices : 0;
  }
};

const Driver& driver() {
  static const Driver opened;
  return opened;
}

// cudaSupport(): [1 if LibTorch has kernels, devices that it sees, devices that the driver sees or
// -1]
napi_value cudaSupport(Args& args) {
  const int seen = at::hasCUDA() ? at::detail::getCUDAHooks().getNumGPUs() : 0;
  return fromInts(args.env, {hasKernels(c10::DispatchKey::CUDA), seen, driver().count()});
}

// cudaProperties(index): [compute capability major, minor, bytes of memory], zeros where unknown
napi_value cudaProperties(Args& args) {
  const int index = static_cast<int>(toInt(args.env, args[0]));
  Driver::Device device = 0;
  int major = 0, minor = 0;
  size_t bytes = 0;
  if (index >= 0 && index < driver().count() && driver().getDevice(&device, index) == 0) {
    driver().getAttribute(&major, Driver::majorAttribute, device);
    driver().getAttribute(&minor, Driver::minorAttribute, device);
    driver().getMemory(&bytes, device);
  }
  return fromInts(args.env, {major, minor, static_cast<int64_t>(bytes)});
}

// cudaName(index): the name that the driver reports, or ''
napi_value cudaName(Args& args) {
  const int index = static_cast<int>(toInt(args.env, args[0]));
  Driver::Device device = 0;
  char name[256] = "";
  if (index >= 0 && index < driver().count() && driver().getDevice(&device, index) == 0) {
    driver().getName(name, sizeof(name) - 1, device);
  }
  return fromString(args.env, name);
}

// mpsSupport(): [1 if LibTorch has kernels, 1 if this machine can run them]
napi_value mpsSupport(Args& args) {
  return fromInts(args.env, {hasKernels(c10::DispatchKey::MPS), at::hasMPS()});
}

}  // namespace

void initDevices(napi_env env, napi_value exports) {
  exportFunction(env, exports, "cudaSupport", cudaSupport);
  exportFunction(env, exports, "cudaProperties", cudaProperties);
  exportFunction(env, exports, "cudaName", cudaName);
  exportFunction(env, exports, "mpsSupport", mpsSupport);
}

}  // namespace mfm
