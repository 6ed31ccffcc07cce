// A caching allocator for CPU tensors. Scopes free and allocate the same sizes over and over, which
// fragments glibc's heap. Freed blocks are kept in free lists by size class (eight classes per
// power of two) and reused; `emptyCache` returns them to the system. Above a limit, those unused
// for the longest time are returned first.
#include "bridge.h"

#include <c10/core/CPUAllocator.h>

#include <sys/mman.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <unordered_map>

namespace mfm {

namespace {

constexpr size_t kHeader = 64;  // keeps the data 64-byte aligned
constexpr size_t kSmallest = 512;
constexpr size_t kHugePage = size_t(2) << 20;
// From this size on a block gets its own pages; a smaller one would waste too much of its last
// page.
constexpr size_t kOwnPages = size_t(256) << 10;
// More than any address space holds.
constexpr size_t kMost = size_t(1) << 48;

struct Header {
  size_t bytes;    // of the block, without the header
  uint64_t freed;  // when it was freed, counted in frees
};

struct Stats {
  size_t used = 0, cached = 0, peak = 0;
};

size_t roundUp(size_t bytes) {
  if (bytes <= kSmallest) return kSmallest;
  size_t power = kSmallest;
  while (power * 2 < bytes) power *= 2;
  size_t step = power / 8;
  return (bytes + step - 1) / step * step;
}

size_t pagesOf(size_t bytes) {
  static const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return (bytes + kHeader + page - 1) / page * page;
}

// Maps pages that forked processes do not inherit. Node forks to start a program; otherwise the
// kernel would copy the page tables of all our memory, and then, until the program runs, every page
// written.
void* mapPages(size_t bytes) {
  const size_t size = pagesOf(bytes);
  const size_t spare = bytes >= kHugePage ? kHugePage : 0;
  void* mapped =
      mmap(nullptr, size + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  char* start = static_cast<char*>(mapped);
  if (spare > 0) {
    const size_t before = (spare - reinterpret_cast<uintptr_t>(start) % spare) % spare;
    if (before > 0) munmap(start, before);
    start += before;
    if (spare > before) munmap(start + size, spare - before);
  }
#ifdef MADV_DONTFORK
  madvise(start, size, MADV_DONTFORK);
#endif
#ifdef MADV_HUGEPAGE
  if (spare > 0) madvise(start, size, MADV_HUGEPAGE);
#endif
  return start;
}

// A block from the system, with its size in the header; null if there is no memory.
void* newBlock(size_t bytes) {
  void* block = nullptr;
  if (bytes >= kOwnPages) {
    block = mapPages(bytes);
  } else if (posix_memalign(&block, 64, bytes + kHeader) != 0) {
    block = nullptr;
  }
  if (block != nullptr) static_cast<Header*>(block)->bytes = bytes;
  return block;
}

void freeBlock(void* block) {
  const size_t bytes = static_cast<Header*>(block)->bytes;
  if (bytes >= kOwnPages) {
    munmap(block, pagesOf(bytes));
  } else {
    std::free(block);
  }
}

class CachingAllocator final : public c10::Allocator {
 public:
  // Both forms: LibTorch 1.13 declares it const, later versions do not.
  c10::DataPtr allocate(size_t bytes) const { return take(bytes); }
  c10::DataPtr allocate(size_t bytes) { return take(bytes); }
  c10::DeleterFnPtr raw_deleter() const override { return &give; }
  void copy_data(void* to, const void* from, std::size_t bytes) const {
    std::memcpy(to, from, bytes);
  }

  static void emptyCache() {
    std::lock_guard<std::mutex> lock(mutex);
    for (auto& list : freeLists) {
      for (void* block : list.second) freeBlock(block);
      list.second.clear();
    }
    stats.cached = 0;
  }

  // Frees the blocks unused for the longest time. Call with the mutex held.
  static void shrinkTo(size_t bytes) {
    while (stats.cached > bytes) {
      std::vector<void*>* oldest = nullptr;
      for (auto& [size, list] : freeLists) {
        if (list.empty()) continue;
        const auto freedAt = [](void* block) { return static_cast<Header*>(block)->freed; };
        if (!oldest || freedAt(list.front()) < freedAt(oldest->front())) oldest = &list;
      }
      stats.cached -= static_cast<Header*>(oldest->front())->bytes;
      freeBlock(oldest->front());
      oldest->erase(oldest->begin());
    }
  }

  // Never destroyed: tensors may be freed after the statics of this library are gone.
  static std::mutex& mutex;
  static std::unordered_map<size_t, std::vector<void*>>& freeLists;
  static Stats stats;
  static size_t limit;
  static uint64_t frees;

 private:
  static c10::DataPtr take(size_t requested) {
    if (requested == 0) return {nullptr, nullptr, &give, c10::Device(c10::DeviceType::CPU)};
    if (requested > kMost) throw std::runtime_error("the tensor is larger than any memory");
    size_t bytes = roundUp(requested);
    void* block = nullptr;
    {
      std::lock_guard<std::mutex> lock(mutex);
      auto& list = freeLists[bytes];
      if (!list.empty()) {
        block = list.back();
        list.pop_back();
        stats.cached -= bytes;
      }
      stats.used += bytes;
      if (stats.used > stats.peak) stats.peak = stats.used;
    }
    if (block == nullptr) block = newBlock(bytes);
    if (block == nullptr) {
      emptyCache();
      block = newBlock(bytes);
    }
    if (block == nullptr) {
      std::lock_guard<std::mutex> lock(mutex);
      stats.used -= bytes;
      throw std::runtime_error("out of memory: a tensor of " + std::to_string(requested) +
                               " bytes does not fit");
    }
    void* data = static_cast<char*>(block) + kHeader;
    return {data, data, &give, c10::Device(c10::DeviceType::CPU)};
  }

  static void give(void* data) {
    if (data == nullptr) return;
    void* block = static_cast<char*>(data) - kHeader;
    size_t bytes = static_cast<Header*>(block)->bytes;
    {
      std::lock_guard<std::mutex> lock(mutex);
      stats.used -= bytes;
      if (bytes <= limit) {
        shrinkTo(limit - bytes);
        static_cast<Header*>(block)->freed = ++frees;
        freeLists[bytes].push_back(block);
        stats.cached += bytes;
        return;
      }
    }
    freeBlock(block);
  }
};

std::mutex& CachingAllocator::mutex = *new std::mutex();
std::unordered_map<size_t, std::vector<void*>>& CachingAllocator::freeLists =
    *new std::unordered_map<size_t, std::vector<void*>>();
Stats CachingAllocator::stats;
size_t CachingAllocator::limit = size_t(4) << 30;
uint64_t CachingAllocator::frees = 0;

CachingAllocator& allocator = *new CachingAllocator();

// memory(): [bytes in use, bytes cached, peak bytes in use]
napi_value memory(Args& args) {
  std::lock_guard<std::mutex> lock(CachingAllocator::mutex);
  const Stats& stats = CachingAllocator::stats;
  return fromInts(args.env, {static_cast<int64_t>(stats.used), static_cast<int64_t>(stats.cached),
                             static_cast<int64_t>(stats.peak)});
}

napi_value resetPeak(Args& args) {
  std::lock_guard<std::mutex> lock(CachingAllocator::mutex);
  CachingAllocator::stats.peak = CachingAllocator::stats.used;
  return undefined(args.env);
}

napi_value emptyCache(Args& args) {
  CachingAllocator::emptyCache();
  return undefined(args.env);
}

// setCacheLimit(bytes): [the limit before]
napi_value setCacheLimit(Args& args) {
  const int64_t limit = toInt(args.env, args[0]);
  if (limit < 0) throw std::runtime_error("the limit must not be negative");
  std::lock_guard<std::mutex> lock(CachingAllocator::mutex);
  const size_t before = CachingAllocator::limit;
  CachingAllocator::limit = static_cast<size_t>(limit);
  CachingAllocator::shrinkTo(CachingAllocator::limit);
  return fromInts(args.env, {static_cast<int64_t>(before)});
}

// adjustExternal(bytes): informs the garbage collector of the memory of tensors that only it will
// free
napi_value adjustExternal(Args& args) {
  int64_t total = 0;
  const int64_t bytes = toInt(args.env, args[0]);
  const auto most = static_cast<int64_t>(kMost);
  if (bytes < -most || bytes > most) {
    throw std::runtime_error("the number of bytes is larger than any memory");
  }
  napi_adjust_external_memory(args.env, bytes, &total);
  return undefined(args.env);
}

}  // namespace

void initMemory(napi_env env, napi_value exports) {
#ifdef __GLIBC__
  // by default the threshold grows to 32 MB with use, and freed blocks below it stay in the heap
  mallopt(M_MMAP_THRESHOLD, 4 << 20);
#endif
  c10::SetCPUAllocator(&allocator, /*priority=*/255);
  exportFunction(env, exports, "memory", memory);
  exportFunction(env, exports, "resetPeak", resetPeak);
  exportFunction(env, exports, "emptyCache", emptyCache);
  exportFunction(env, exports, "setCacheLimit", setCacheLimit);
  exportFunction(env, exports, "adjustExternal", adjustExternal);
}

}  // namespace mfm
