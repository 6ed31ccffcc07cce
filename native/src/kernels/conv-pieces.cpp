// Why pieces: LibTorch's convolutions copy whole batches to another layout, padded or unfolded,
// which depends on the processor: on some, a step took up to 40 % more memory (measured). And in
// those for weight gradients threads wait for each other in busy loops, which beside other load
// took twenty times as long as the work (measured). A piece takes little memory and waits for no
// other thread.
#include "conv-pieces.h"

#include <atomic>

#include "isa.h"

#ifdef _OPENMP
#include <omp.h>
#endif

namespace mfm::kernels {
namespace {

constexpr int64_t pieceBytes = int64_t(1) << 20;
// Sums over pieces are accumulated in this many lanes; the pieces of a lane run one after the other
// on one thread. The number is fixed, so that results do not depend on the number of threads.
constexpr int64_t maxLanes = 16;

// Limits the calling thread to one OpenMP thread while this object lives. Being inside a parallel
// region is not enough: the convolution would be set up for several threads and wait for them
// forever.
struct OneThread {
#ifdef _OPENMP
  // Queried first, since a thread's first call into LibTorch's threading resets the number to all.
  const int before = at::get_num_threads();
  OneThread() { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before); }
#endif
};

// Frames [from, from + frames) of the samples [first, first + samples).
struct Piece {
  int64_t from, frames, first, samples;

  Tensor of(const Tensor& clip) const {
    return clip.narrow(0, from, frames).narrow(1, first, samples);
  }
  // as a batch of pictures; a view if they are contiguous
  Tensor picturesOf(const Tensor& clip) const { return of(clip).flatten(0, 1); }
};

// The dtype to compute in: without AVX-512, LibTorch's only bfloat16 convolution unfolds its input,
// which makes it nine times as large, and multiplies element by element.
at::ScalarType typeFor(const Tensor& x) {
#if MFM_X86
  if (x.scalar_type() == at::kBFloat16 && isa() != Isa::avx512) return at::kFloat;
#endif
  return x.scalar_type();
}

Tensor computable(const Tensor& x) { return x.to(typeFor(x)); }

OptionalTensor computable(const OptionalTensor& x) {
  return x.has_value() ? OptionalTensor(computable(*x)) : x;
}

// Divides a clip into pieces of whole frames, or of a part of a frame's samples. If weights are
// large there are no more pieces than lanes, since every piece copies the weights to another
// layout.
std::vector<Piece> piecesOf(const Tensor& x, const Tensor& weight) {
  const int64_t frames = x.size(0), samples = x.size(1), all = frames * samples;
  const int64_t element = c10::elementSize(typeFor(x));
  const int64_t bytes = std::max<int64_t>(1, x.numel() / all * element);
  int64_t pictures = std::max<int64_t>(1, pieceBytes / bytes);
  if (weight.numel() * element > pieceBytes / 4) {
    pictures = std::max(pictures, (all + maxLanes - 1) / maxLanes);
  }
  std::vector<Piece> pieces;
  const int64_t whole = std::max<int64_t>(1, pictures / samples);
  const int64_t part = std::min(samples, pictures);
  for (int64_t from = 0; from < frames; from += whole) {
    for (int64_t first = 0; first < samples; first += part) {
      pieces.push_back({from, std::min(whole, frames - from), first,
                        std::min(part, samples - first)});
    }
  }
  return pieces;
}

// Calls body(lane) for every lane, each on a single thread, with as many at a time as there are
// threads.
template <class Body> void eachLane(int64_t lanes, const Body& body) {
  std::atomic<int64_t> next{0};
  at::parallel_for(0, std::min<int64_t>(lanes, at::get_num_threads()), 1, [&](int64_t, int64_t) {
    const OneThread alone;
    const at::NoGradGuard noGrad;
    const at::AutoDispatchBelowADInplaceOrView below; // guards are thread-local, so set here again
    for (int64_t lane; (lane = next++) < lanes;) body(lane);
  });
}

void put(const Tensor& value, const Tensor& target, bool add) {
  if (add) target.add_(value);
  else target.copy_(value);
}

void accumulate(Tensor& sum, const Tensor& part) {
  if (sum.defined()) sum.add_(part);
  else sum = part.to(at::kFloat);
}

// Adds the parts in a fixed order, so that the sum is reproducible.
Tensor total(const std::vector<Tensor>& parts) {
  Tensor sum;
  for (const Tensor& part : parts) {
    if (part.defined()) accumulate(sum, part);
  }
  return sum;
}

} // namespace

void convolve(const Conv2d& conv, const Tensor& x, const Tensor& y, bool add) {
  const Tensor weight = computable(conv.weight);
  const OptionalTensor bias = computable(conv.bias);
  const std::vector<Piece> pieces = piecesOf(x, weight);
  const int64_t count = pieces.size();
  const auto run = [&](const Piece& piece) {
    const Tensor in = computable(piece.picturesOf(x));
    const Tensor out = at::conv2d(in, weight, bias, conv.stride, conv.pad);
    put(out.unflatten(0, {piece.frames, piece.samples}), piece.of(y), add);
  };
  if (count < at::get_num_threads()) {
    for (const Piece& piece : pieces) run(piece); // all threads on one large picture
  } else {
    eachLane(count, [&](int64_t i) { run(pieces[i]); });
  }
}

ConvGradients convolveBackward(const Conv2d& conv, const Tensor& x, const Tensor& dy,
                               const Tensor& dx, bool add, Wanted wanted) {
  const Tensor weight = computable(conv.weight);
  const std::vector<Piece> pieces = piecesOf(x, weight);
  const int64_t count = pieces.size(), lanes = std::min(count, maxLanes);
  std::vector<Tensor> weights(lanes), biases(lanes);
  eachLane(lanes, [&](int64_t lane) {
    for (int64_t i = lane; i < count; i += lanes) {
      const Piece& piece = pieces[i];
      const auto got = at::convolution_backward(
          computable(piece.picturesOf(dy)), computable(piece.picturesOf(x)), weight,
          at::IntArrayRef{weight.size(0)}, at::IntArrayRef{conv.stride, conv.stride},
          at::IntArrayRef{conv.pad, conv.pad}, at::IntArrayRef{1, 1}, false,
          at::IntArrayRef{0, 0}, 1, {wanted.input, wanted.weight, wanted.bias});
      if (wanted.input) {
        put(std::get<0>(got).unflatten(0, {piece.frames, piece.samples}), piece.of(dx), add);
      }
      if (wanted.weight) accumulate(weights[lane], std::get<1>(got));
      if (wanted.bias) accumulate(biases[lane], std::get<2>(got));
    }
  });
  return {total(weights), total(biases)};
}

} // namespace mfm::kernels
