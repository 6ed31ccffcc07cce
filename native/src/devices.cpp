// The devices that LibTorch can compute on, and those that an NVIDIA driver reports.
#include "bridge.h"

#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

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
  int (*getVersion)(int*) = nullptr;
  int (*retainContext)(void**, Device) = nullptr;
  int (*releaseContext)(Device) = nullptr;
  int (*pushContext)(void*) = nullptr;
  int (*popContext)(void**) = nullptr;
  int (*getFreeMemory)(size_t*, size_t*) = nullptr;
  int (*getBusId)(char*, int, Device) = nullptr;
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
            find(getAttribute, "cuDeviceGetAttribute") && find(getMemory, "cuDeviceTotalMem_v2") &&
            find(getVersion, "cuDriverGetVersion") &&
            find(retainContext, "cuDevicePrimaryCtxRetain") &&
            find(releaseContext, "cuDevicePrimaryCtxRelease_v2") &&
            find(pushContext, "cuCtxPushCurrent_v2") && find(popContext, "cuCtxPopCurrent_v2") &&
            find(getFreeMemory, "cuMemGetInfo_v2") && find(getBusId, "cuDeviceGetPCIBusId");
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

// cudaMemory(index): [bytes that are free now, bytes in all], zeros where unknown
napi_value cudaMemory(Args& args) {
  const int index = static_cast<int>(toInt(args.env, args[0]));
  Driver::Device device = 0;
  void* context = nullptr;
  size_t free = 0, total = 0;
  if (index >= 0 && index < driver().count() && driver().getDevice(&device, index) == 0 &&
      driver().retainContext(&context, device) == 0) {
    // the context that LibTorch uses too
    if (driver().pushContext(context) == 0) {
      if (driver().getFreeMemory(&free, &total) != 0) free = total = 0;
      driver().popContext(&context);
    }
    driver().releaseContext(device);
  }
  return fromInts(args.env, {static_cast<int64_t>(free), static_cast<int64_t>(total)});
}

// cudaBus(index): where the device is in the machine, or ''
napi_value cudaBus(Args& args) {
  const int index = static_cast<int>(toInt(args.env, args[0]));
  Driver::Device device = 0;
  char id[64] = "";
  if (index >= 0 && index < driver().count() && driver().getDevice(&device, index) == 0) {
    driver().getBusId(id, sizeof(id) - 1, device);
  }
  return fromString(args.env, id);
}

// cudaVersions(): the CUDA version that the driver supports, and that of LibTorch's build; each 1000 *
// major + 10 * minor, and 0 where there is none
napi_value cudaVersions(Args& args) {
  int supported = 0;
  int64_t built = 0;
  if (driver().found && driver().getVersion(&supported) != 0) supported = 0;
  try {
    if (hasKernels(c10::DispatchKey::CUDA)) built = at::detail::getCUDAHooks().versionCUDART();
  } catch (const c10::Error&) {
    built = 0;  // kernels of which the hooks know nothing
  }
  return fromInts(args.env, {supported, built});
}

// setGpuChoices(tf32, deterministic): how GPUs compute; the CPU is not affected
napi_value setGpuChoices(Args& args) {
  const bool tf32 = toBool(args.env, args[0]), deterministic = toBool(args.env, args[1]);
  at::Context& context = at::globalContext();
  context.setAllowTF32CuBLAS(tf32);
  context.setAllowTF32CuDNN(tf32);
  context.setDeterministicCuDNN(deterministic);
  // operators without a deterministic kernel warn
  context.setDeterministicAlgorithms(deterministic, /*warn_only=*/true);
  return undefined(args.env);
}

// privateCount(): devices of a backend outside of LibTorch, which registers itself as PrivateUse1
napi_value privateCount(Args& args) {
  constexpr auto type = c10::DeviceType::PrivateUse1;
  const bool known = c10::impl::hasDeviceGuardImpl(type);
  return fromDouble(args.env, known ? c10::impl::getDeviceGuardImpl(type)->deviceCount() : 0);
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
  exportFunction(env, exports, "cudaMemory", cudaMemory);
  exportFunction(env, exports, "cudaBus", cudaBus);
  exportFunction(env, exports, "cudaVersions", cudaVersions);
  exportFunction(env, exports, "setGpuChoices", setGpuChoices);
  exportFunction(env, exports, "privateCount", privateCount);
  exportFunction(env, exports, "mpsSupport", mpsSupport);
}

}  // namespace mfm
