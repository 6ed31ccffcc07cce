// Files mapped into memory as tensors: nothing is read until it is used.
#include "bridge.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace mfm {

namespace {

struct Mapping {
  char* data = nullptr;
  size_t bytes = 0;
  ~Mapping() {
    if (data != nullptr) munmap(data, bytes);
  }
};
std::vector<std::shared_ptr<Mapping>>& mappings = *new std::vector<std::shared_ptr<Mapping>>();

// mapFile(path): [id, bytes]. Private and writable: writes never reach the file.
napi_value mapFile(Args& args) {
  std::string path = toString(args.env, args[0]);
  int file = open(path.c_str(), O_RDONLY);
  if (file < 0) throw std::runtime_error(path + ": " + std::strerror(errno));
  struct stat info;
  fstat(file, &info);
  auto mapping = std::make_shared<Mapping>();
  mapping->bytes = static_cast<size_t>(info.st_size);
  if (mapping->bytes > 0) {
    void* data = mmap(nullptr, mapping->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    int failure = errno;
    close(file);
    if (data == MAP_FAILED) throw std::runtime_error(path + ": " + std::strerror(failure));
    mapping->data = static_cast<char*>(data);
  } else {
    close(file);
  }
  mappings.push_back(mapping);
  return fromInts(args.env, {static_cast<int64_t>(mappings.size() - 1),
                             static_cast<int64_t>(mapping->bytes)});
}

// unmapFile(id): the memory goes when the last tensor over it does
napi_value unmapFile(Args& args) {
  mappings.at(toInt(args.env, args[0])).reset();
  return undefined(args.env);
}

// mappedTensor(id, offset, shape, dtype code): handle. Unaligned data is copied.
napi_value mappedTensor(Args& args) {
  napi_env env = args.env;
  std::shared_ptr<Mapping> mapping = mappings.at(toInt(env, args[0]));
  if (!mapping) throw std::runtime_error("the file has been closed");
  auto offset = static_cast<size_t>(toInt(env, args[1]));
  std::vector<int64_t> shape = toInts(env, args[2]);
  auto dtype = static_cast<at::ScalarType>(toInt(env, args[3]));
  size_t bytes = c10::elementSize(dtype);
  for (int64_t size : shape) bytes *= static_cast<size_t>(size);
  if (offset > mapping->bytes || bytes > mapping->bytes - offset) {
    throw std::runtime_error("the tensor lies outside of the file");
  }
  char* data = mapping->data + offset;
  auto options = at::TensorOptions().dtype(dtype);
  if (reinterpret_cast<uintptr_t>(data) % c10::elementSize(dtype) != 0) {
    at::Tensor copy = at::empty(shape, options);
    std::memcpy(copy.data_ptr(), data, bytes);
    return fromDouble(env, addTensor(copy));
  }
  return fromDouble(env, addTensor(at::from_blob(data, shape, [mapping](void*) {}, options)));
}

// mappedBytes(id, offset, length): ArrayBuffer copy, for the header
napi_value mappedBytes(Args& args) {
  std::shared_ptr<Mapping> mapping = mappings.at(toInt(args.env, args[0]));
  auto offset = static_cast<size_t>(toInt(args.env, args[1]));
  auto length = static_cast<size_t>(toInt(args.env, args[2]));
  if (!mapping || offset > mapping->bytes || length > mapping->bytes - offset) {
    throw std::runtime_error("the range lies outside of the file");
  }
  void* data = nullptr;
  napi_value result;
  check(args.env, napi_create_arraybuffer(args.env, length, &data, &result), "mappedBytes");
  std::memcpy(data, mapping->data + offset, length);
  return result;
}

}  // namespace

void initFiles(napi_env env, napi_value exports) {
  exportFunction(env, exports, "mapFile", mapFile);
  exportFunction(env, exports, "unmapFile", unmapFile);
  exportFunction(env, exports, "mappedTensor", mappedTensor);
  exportFunction(env, exports, "mappedBytes", mappedBytes);
}

}  // namespace mfm
