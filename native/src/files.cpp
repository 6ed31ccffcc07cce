// Files mapped into memory as tensors: nothing is read before it is used. If a file is truncated
// meanwhile, or its disk fails, the call that notices ends with an error. And tensors written to files.
#include "bridge.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>
#include <mutex>

namespace mfm {

namespace {

// A mapped range in a list for the signal handler: nodes are reused, never freed, and read without
// a lock.
struct Region {
  std::atomic<uintptr_t> begin{0}, end{0};
  // failed: until the mapping is gone, as zeros are in place of what could not be read
  std::atomic<bool> taken{false}, failed{false};
  Region* next = nullptr;
  // not used by the handler
  std::string path;
  int file = -1;
  bool reported = false;
};
std::atomic<Region*> regions{nullptr};
// Whether a region has failed that is still mapped, and whether one has that no call has reported.
std::atomic<bool> anyFailed{false}, newFailure{false};
struct sigaction actionBefore;

// The kernel sends SIGBUS if a page of a mapped file cannot be read. The rest of the mapping is
// replaced by zeros, so that the thread can continue to the end of its call, which then throws.
void onBusError(int signal, siginfo_t* info, void* context) {
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  for (Region* region = regions; region != nullptr; region = region->next) {
    const uintptr_t end = region->end;
    if (address < region->begin || address >= end) continue;
    const uintptr_t page = address & ~(static_cast<uintptr_t>(sysconf(_SC_PAGESIZE)) - 1);
    void* zeros = mmap(reinterpret_cast<void*>(page), end - page, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (zeros == MAP_FAILED) break;
    region->failed = true;
    anyFailed = true;
    newFailure = true;
    return;
  }
  // not in one of our mappings: act as if we had no handler
  if ((actionBefore.sa_flags & SA_SIGINFO) != 0 && actionBefore.sa_sigaction != nullptr) {
    actionBefore.sa_sigaction(signal, info, context);
  } else {
    sigaction(SIGBUS, &actionBefore, nullptr);
  }
}

void handleBusErrors() {
  static const bool once = [] {
    struct sigaction action {};
    action.sa_sigaction = onBusError;
    action.sa_flags = SA_SIGINFO;
    sigemptyset(&action.sa_mask);
    return sigaction(SIGBUS, &action, &actionBefore) == 0;
  }();
  (void)once;
}

Region& freeRegion() {
  for (Region* region = regions; region != nullptr; region = region->next) {
    bool taken = false;
    if (region->taken.compare_exchange_strong(taken, true)) return *region;
  }
  auto* region = new Region();
  region->taken = true;
  region->next = regions;
  regions = region;  // only the JavaScript thread adds regions
  return *region;
}

bool hasFailed() {
  for (Region* region = regions; region != nullptr; region = region->next) {
    if (region->failed) return true;
  }
  return false;
}

struct Mapping {
  char* data = nullptr;
  size_t bytes = 0;
  Region* region = nullptr;
  ~Mapping() {
    if (data == nullptr) return;
    region->begin = region->end = 0;
    munmap(data, bytes);
    close(region->file);
    if (region->failed.exchange(false)) anyFailed = hasFailed();
    region->taken = false;
  }
};
std::vector<std::shared_ptr<Mapping>>& mappings = *new std::vector<std::shared_ptr<Mapping>>();

// Why a mapped file cannot be read: "FILE: was cut off from 10 to 5 bytes while it was in use; …"
std::string whyUnreadable(const Region& region) {
  const auto before = static_cast<int64_t>(region.end - region.begin);
  struct stat info;
  const bool isKnown = fstat(region.file, &info) == 0;
  if (isKnown && info.st_size < before) {
    return region.path + ": was cut off from " + std::to_string(before) + " to " +
           std::to_string(info.st_size) + " bytes while it was in use; copy or download it again";
  }
  return region.path + ": can no longer be read, its disk or network drive failed; copy it to " +
         "another one";
}

// `region` is null for an empty file.
void expectReadable(const Region* region) {
  if (region != nullptr && region->failed) throw UnreadableFile(whyUnreadable(*region));
}

// mapFile(path): [id, bytes]. Private and writable: writes never reach the file.
napi_value mapFile(Args& args) {
  std::string path = toString(args.env, args[0]);
  if (path.find('\0') != std::string::npos) throw std::runtime_error("a file name contains NUL");
  // non-blocking, since opening a FIFO would wait for its writer
  int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) throw std::runtime_error(path + ": " + std::strerror(errno));
  struct stat info;
  if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(file);
    throw std::runtime_error(path + ": is not a file");
  }
  auto mapping = std::make_shared<Mapping>();
  mapping->bytes = static_cast<size_t>(info.st_size);
  if (mapping->bytes > 0) {
    void* data = mmap(nullptr, mapping->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    if (data == MAP_FAILED) {
      const int failure = errno;
      close(file);
      throw std::runtime_error(path + ": " + std::strerror(failure));
    }
    handleBusErrors();
    Region& region = freeRegion();
    region.path = path;
    region.file = file;
    region.failed = region.reported = false;
    region.end = reinterpret_cast<uintptr_t>(data) + mapping->bytes;
    region.begin = reinterpret_cast<uintptr_t>(data);
    mapping->region = &region;
    mapping->data = static_cast<char*>(data);
  } else {
    close(file);
  }
  mappings.push_back(mapping);
  return fromInts(args.env, {static_cast<int64_t>(mappings.size() - 1),
                             static_cast<int64_t>(mapping->bytes)});
}

// unmapFile(id): the memory is unmapped when the last tensor over it is freed
napi_value unmapFile(Args& args) {
  mappings.at(toInt(args.env, args[0])).reset();
  return undefined(args.env);
}

// mappedTensor(id, offset, shape, dtype code): handle. Unaligned data is copied.
napi_value mappedTensor(Args& args) {
  napi_env env = args.env;
  auto offset = static_cast<size_t>(toInt(env, args[1]));
  std::vector<int64_t> shape = toInts(env, args[2]);
  at::ScalarType dtype = toDtype(env, args[3]);
  std::shared_ptr<Mapping> mapping = mappings.at(toInt(env, args[0]));
  if (!mapping) throw std::runtime_error("the file has been closed");
  const size_t bytes = countBytes(shape, dtype);
  if (offset > mapping->bytes || bytes > mapping->bytes - offset) {
    throw std::runtime_error("the tensor lies outside the file");
  }
  expectReadable(mapping->region);
  char* data = mapping->data + offset;
  auto options = at::TensorOptions().dtype(dtype);
  if (reinterpret_cast<uintptr_t>(data) % c10::elementSize(dtype) != 0) {
    at::Tensor copy = at::empty(shape, options);
    if (bytes > 0) std::memcpy(copy.data_ptr(), data, bytes);
    return fromDouble(env, addTensor(copy));
  }
  return fromDouble(env, addTensor(at::from_blob(data, shape, [mapping](void*) {}, options)));
}

// mappedBytes(id, offset, length): a copy as ArrayBuffer, for the header
napi_value mappedBytes(Args& args) {
  std::shared_ptr<Mapping> mapping = mappings.at(toInt(args.env, args[0]));
  auto offset = static_cast<size_t>(toInt(args.env, args[1]));
  auto length = static_cast<size_t>(toInt(args.env, args[2]));
  if (!mapping || offset > mapping->bytes || length > mapping->bytes - offset) {
    throw std::runtime_error("the range lies outside the file");
  }
  expectReadable(mapping->region);
  void* data = nullptr;
  napi_value result;
  check(args.env, napi_create_arraybuffer(args.env, length, &data, &result), "mappedBytes");
  if (length > 0) std::memcpy(data, mapping->data + offset, length);
  return result;
}

// writeTensor(tensor, file descriptor): 0 when all bytes are written, else the system's error number.
// Unlike `view` it leaves nothing behind that keeps the tensor until the event loop's next turn.
napi_value writeTensor(Args& args) {
  const at::Tensor& tensor = tensorArg(args.env, args[0]);
  const int64_t file = toInt(args.env, args[1]);
  if (file < 0 || file > INT_MAX) throw std::runtime_error("writeTensor: expected a file descriptor");
  if (!tensor.device().is_cpu() || !tensor.is_contiguous()) {
    throw std::runtime_error("writeTensor: needs a contiguous tensor on the cpu");
  }
  const auto* data = static_cast<const char*>(tensor.data_ptr());
  constexpr size_t atOnce = 1 << 30;  // macOS refuses more than 2 GiB
  for (size_t done = 0, bytes = tensor.nbytes(); done < bytes;) {
    const ssize_t written =
        write(static_cast<int>(file), data + done, std::min(bytes - done, atOnce));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fromDouble(args.env, errno);
    done += static_cast<size_t>(written);
  }
  return fromDouble(args.env, 0);
}

// cutFile(tensor?): an error message if a mapped file, or the one that a tensor lies in, could not be
// read or has become shorter; '' if not. Needed because the loss of less than a page raises no signal,
// nor do reads by the kernel itself.
napi_value cutFile(Args& args) {
  const bool ofOne = !isNullish(args.env, args[0]);
  const auto data =
      ofOne ? reinterpret_cast<uintptr_t>(tensorAt(toInt(args.env, args[0])).data_ptr()) : 0;
  for (Region* region = regions; region != nullptr; region = region->next) {
    struct stat info;
    const uintptr_t begin = region->begin;
    if (begin == 0 || (ofOne && (data < begin || data >= region->end))) continue;
    const bool isCut = fstat(region->file, &info) == 0 &&
                       static_cast<uintptr_t>(info.st_size) < region->end - begin;
    if (isCut || region->failed) return fromString(args.env, whyUnreadable(*region));
  }
  return fromString(args.env, "");
}

}  // namespace

void expectFilesWhole() {
  if (!newFailure.load(std::memory_order_relaxed)) return;
  newFailure = false;
  for (Region* region = regions; region != nullptr; region = region->next) {
    if (region->begin == 0 || !region->failed || region->reported) continue;
    region->reported = true;
    throw UnreadableFile(whyUnreadable(*region));
  }
}

void expectReadable(const at::Tensor& tensor) {
  if (!anyFailed.load(std::memory_order_relaxed)) return;
  if (!tensor.has_storage() || !tensor.device().is_cpu()) return;
  const auto data = reinterpret_cast<uintptr_t>(tensor.storage().data());
  for (Region* region = regions; region != nullptr; region = region->next) {
    if (data >= region->begin && data < region->end) expectReadable(region);
  }
}

void initFiles(napi_env env, napi_value exports) {
  exportFunction(env, exports, "mapFile", mapFile);
  exportFunction(env, exports, "unmapFile", unmapFile);
  exportFunction(env, exports, "mappedTensor", mappedTensor);
  exportFunction(env, exports, "mappedBytes", mappedBytes);
  exportFunction(env, exports, "writeTensor", writeTensor);
  exportFunction(env, exports, "cutFile", cutFile);
}

}  // namespace mfm
