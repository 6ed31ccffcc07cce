#include "isa.h"

#include <cstdlib>
#include <cstring>

#if MFM_X86 && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace mfm::kernels {

namespace {

// Does MFM_ISA limit us to this level?
[[maybe_unused]] bool isLoweredTo(const char* level) {
  const char* wanted = std::getenv("MFM_ISA");
  return wanted && std::strcmp(wanted, level) == 0;
}

Isa detect() {
#if MFM_X86
  if (isLoweredTo("baseline")) return Isa::baseline;
  if (!isLoweredTo("avx2") && __builtin_cpu_supports("avx512f") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    return Isa::avx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Isa::avx2;
#endif
  return Isa::baseline;
}

bool detectAvx512Bf16() {
#if MFM_X86 && defined(__linux__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  return isa() == Isa::avx512 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5 & 1);
#else
  return false;
#endif
}

bool detectAmx() {
#if MFM_X86 && defined(__linux__)
  if (!hasAvx512Bf16() || isLoweredTo("avx512")) return false;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  const bool tiles = (d >> 24 & 1) && (d >> 22 & 1); // AMX-TILE, AMX-BF16
  if (!tiles) return false;
  constexpr int requestPermission = 0x1023; // ARCH_REQ_XCOMP_PERM
  constexpr int tileData = 18;              // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
#else
  return false;
#endif
}

} // namespace

Isa isa() {
  static const Isa level = detect();
  return level;
}

bool hasAvx512Bf16() {
  static const bool available = detectAvx512Bf16();
  return available;
}

bool hasAmx() {
  static const bool available = detectAmx();
  return available;
}

} // namespace mfm::kernels
