/**
 * The one tensor type: a handle to a LibTorch tensor. Operators are inherited from the generated
 * `ops.ts`; this file adds everything else: properties, data in and out, gradients, lifetime.
 */
import { MfmError, ShapeError } from '../errors.js';
import { dispatchTo } from './cast.js';
import { operator, setTensorClass, wrap } from './dispatch.js';
import { type DType, dtypeOfCode, type TypedArray, typedArrayFor } from './dtype.js';
import { native } from './native.js';
import { TensorMethods } from './ops.js';
import { callSite, count, tidy, tracing, unguard } from './scope.js';

/** `[number, number, …]` of length N. */
export type Sizes<N extends number, R extends number[] = []> = number extends N
  ? number[]
  : R['length'] extends N
    ? R
    : Sizes<N, [...R, number]>;

const gradientOf = operator('grad');

export class Tensor extends TensorMethods {
  #handle: number;
  #kept = false;
  /** the operator that made it; with `MFM_TRACE=1` also the line that called it */
  readonly origin: string;
  /** bytes announced to the garbage collector; 0 while a scope owns the tensor */
  guardedBytes = 0;

  /** Internal: use `tensor`, `fromArray` or a factory such as `zeros` instead. */
  constructor(handle: number, origin: string) {
    super();
    this.#handle = handle;
    this.origin = tracing ? `${origin} ${callSite()}` : origin;
  }

  /** The addon's handle. @throws MfmError once the tensor has been freed */
  override get handle(): number {
    if (this.#handle === 0) {
      throw new MfmError(
        `use of a freed tensor (made by ${this.origin}): return it from tidy, call keep(), or do not dispose it${tracing ? '' : '; MFM_TRACE=1 names the line'}`,
      );
    }
    return this.#handle;
  }

  get shape(): number[] {
    return native.shape(this.handle);
  }
  get strides(): number[] {
    return native.stride(this.handle);
  }
  get ndim(): number {
    return this.shape.length;
  }
  get numel(): number {
    return native.numel(this.handle);
  }
  get dtype(): DType {
    return dtypeOfCode(native.dtype(this.handle));
  }
  get device(): string {
    return native.device(this.handle);
  }
  get isContiguous(): boolean {
    return native.isContiguous(this.handle);
  }

  /** The shape, checked: `const [b, l, d] = x.dims(3)`. @throws ShapeError unless the rank is `rank` */
  dims<N extends number>(rank: N): Sizes<N> {
    const shape = this.shape;
    if (shape.length !== rank) {
      throw new ShapeError(`dims: expected ${rank} dimensions, got [${shape.join(', ')}]`);
    }
    return shape as Sizes<N>;
  }

  /** One dimension's size; negative dimensions count from the end. */
  size(dim: number): number {
    const shape = this.shape;
    const size = shape.at(dim);
    if (size === undefined) {
      throw new ShapeError(`size: no dimension ${dim} in [${shape.join(', ')}]`);
    }
    return size;
  }

  /** The tensor in another dtype or on another device; itself if unchanged. Differentiable. */
  to(target: DType | string): Tensor {
    return dispatchTo(this, target);
  }

  /** The single element as a number. */
  item(): number {
    if (this.numel !== 1) {
      throw new ShapeError(`item: expected one element, got [${this.shape.join(', ')}]`);
    }
    return Number(this.toArray()[0]);
  }

  /** A copy of the elements in row-major order; 16-bit floats become a Float32Array. */
  toArray(): Exclude<TypedArray, Uint16Array> {
    return tidy(() => {
      const readable = this.dtype === 'bfloat16' || this.dtype === 'float16';
      const source = this.detach()
        .to('cpu')
        .to(readable ? 'float32' : this.dtype)
        .contiguous();
      const array = new (typedArrayFor(source.dtype))(source.numel);
      native.copyOut(source.handle, array);
      return array as Exclude<TypedArray, Uint16Array>;
    });
  }

  /** A copy of the elements as float32, whatever the dtype. */
  toFloat32Array(): Float32Array {
    return tidy(() => this.detach().to('float32').toArray() as Float32Array);
  }

  /**
   * The tensor's own memory as a typed array, without a copy; it stays alive while the array does.
   * @throws OperatorError unless the tensor is contiguous and on the CPU
   */
  data(): TypedArray {
    return new (typedArrayFor(this.dtype))(native.view(this.handle));
  }

  get requiresGrad(): boolean {
    return native.requiresGrad(this.handle);
  }
  requiresGrad_(on = true): this {
    native.setRequiresGrad(this.handle, on);
    return this;
  }
  get isLeaf(): boolean {
    return native.isLeaf(this.handle);
  }

  /** The gradient that `backward` accumulated; every read creates a new Tensor. */
  get grad(): Tensor | null {
    const handle = native.getGrad(this.handle);
    return handle === 0 ? null : wrap(handle, gradientOf);
  }
  set grad(gradient: Tensor | null) {
    native.setGrad(this.handle, gradient ? gradient.handle : null);
  }

  /** Accumulates gradients into `grad` of every leaf; `gradient` defaults to 1 for a scalar. */
  backward(gradient?: Tensor, { retainGraph = false } = {}): void {
    native.backward([this.handle], gradient ? [gradient.handle] : null, retainGraph);
  }

  get isDisposed(): boolean {
    return this.#handle === 0;
  }
  get isKept(): boolean {
    return this.#kept;
  }

  /** Removes the tensor from every scope: it lives until `dispose()`. */
  keep(): this {
    unguard(this);
    this.#kept = true;
    return this;
  }

  /** Frees the tensor now; a second call does nothing. */
  dispose(): void {
    if (this.#handle === 0) return;
    unguard(this);
    native.release(this.#handle);
    this.forget();
  }

  /** Gives up the handle: the caller must free it. */
  release(): number {
    const handle = this.handle;
    unguard(this);
    this.forget();
    return handle;
  }

  /** For scopes: marks the tensor as freed. */
  forget(): void {
    this.#handle = 0;
    if (tracing) count(this.origin, -1);
  }

  override toString(): string {
    return this.isDisposed
      ? 'Tensor(freed)'
      : `Tensor([${this.shape.join(', ')}], ${this.dtype}, ${this.device})`;
  }
}

setTensorClass(Tensor);
