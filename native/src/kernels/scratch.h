// Memory in whole cache lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

namespace mfm::kernels {

/** Scratch memory of one thread, kept between calls. */
class Scratch {
public:
  /** Makes room for this much, and takes back all that was handed out. */
  void reserve(size_t bytes) {
    used_ = 0;
    if (bytes <= size_) return;
    memory_.reset();
    memory_.reset(static_cast<char*>(::operator new(bytes, std::align_val_t(64))));
    size_ = bytes;
  }
  template <class T> T* take(int64_t count) {
    T* out = reinterpret_cast<T*>(memory_.get() + used_);
    used_ += bytesFor<T>(count);
    return out;
  }
  template <class T> static size_t bytesFor(int64_t count) {
    return (static_cast<size_t>(count) * sizeof(T) + 63) / 64 * 64;
  }

private:
  struct Free {
    void operator()(char* p) const { ::operator delete(p, std::align_val_t(64)); }
  };
  std::unique_ptr<char, Free> memory_;
  size_t size_ = 0, used_ = 0;
};

template <class T> struct LineAllocator {
  using value_type = T;
  LineAllocator() = default;
  template <class Other> LineAllocator(const LineAllocator<Other>&) {}
  T* allocate(size_t count) {
    return static_cast<T*>(::operator new(count * sizeof(T), std::align_val_t(64)));
  }
  void deallocate(T* p, size_t) { ::operator delete(p, std::align_val_t(64)); }
  template <class Other> bool operator==(const LineAllocator<Other>&) const { return true; }
  template <class Other> bool operator!=(const LineAllocator<Other>&) const { return false; }
};
/** A vector that begins with a cache line. */
template <class T> using AlignedVector = std::vector<T, LineAllocator<T>>;

} // namespace mfm::kernels
