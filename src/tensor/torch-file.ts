/**
 * Reads tensors from files that PyTorch wrote before version 1.6 (`torch.save` of a state dict), in which
 * some published weights exist only. Such a file is a Python pickle followed by raw data. A pickle is a
 * program for a small stack machine, which may name any function of Python; this one knows only the
 * instructions of a state dict, and of Python's functions only those that make a tensor's description.
 *
 * Sources: PyTorch, torch/serialization.py, _legacy_save; Python, pickletools.py
 */
import { InputError } from '../errors.js';
import { readRegularSync, unreadable } from '../files/regular-file.js';
import { fromArray } from './create.js';
import { call } from './dispatch.js';
import { bytesPerElement, type DType, typedArrayFor } from './dtype.js';
import { tidy } from './scope.js';
import type { Tensor } from './tensor.js';

/** What every such file begins with: a magic number and the number of the format, 1001, as pickles. */
const START = Buffer.from('80028a0a6cfc9c46f9206aa850192e80024de9032e', 'hex');

const STORAGES: Record<string, DType> = {
  'torch FloatStorage': 'float32',
  'torch DoubleStorage': 'float64',
  'torch HalfStorage': 'float16',
  'torch BFloat16Storage': 'bfloat16',
  'torch LongStorage': 'int64',
  'torch IntStorage': 'int32',
  'torch ByteStorage': 'uint8',
};

/** True if a file's first bytes are those of a file that `readTorchFile` reads. */
export const isTorchFile = (start: Uint8Array): boolean =>
  START.equals(start.subarray(0, START.length));

/**
 * The tensors of a state dict, by name, in the file's order; the caller disposes them.
 * @throws InputError if the file is cut off, or holds anything else than a state dict
 */
export function readTorchFile(path: string): Map<string, Tensor> {
  let bytes: Buffer;
  try {
    bytes = readRegularSync(path);
  } catch (cause) {
    throw unreadable(path, cause);
  }
  const wrong = (what: string) =>
    new InputError(
      `${path}: ${what}; give the weights alone, as torch.save(model.state_dict()) of PyTorch before 1.6 wrote them, or safetensors`,
    );
  if (!isTorchFile(bytes)) throw wrong('is not a file of PyTorch before 1.6');
  const machine = new Machine(bytes, START.length, wrong);
  machine.run(); // the sizes of C types where the file was written
  const state = machine.run();
  const keys = machine.run();
  if (!(state instanceof Map)) throw wrong('must hold a state dict');
  if (!Array.isArray(keys)) throw wrong('must list its storages');
  const described = new Map<string, Described>();
  for (const [name, value] of state) {
    if (typeof name !== 'string' || !(value instanceof Described)) {
      throw wrong('must hold nothing but named tensors');
    }
    described.set(name, value);
  }
  const storages = new Map<unknown, Storage>();
  for (const { storage } of described.values()) {
    const { numel, dtype } = storages.get(storage.key) ?? storage;
    if (numel !== storage.numel || dtype !== storage.dtype) throw wrong('is damaged');
    storages.set(storage.key, storage);
  }
  const starts = storageStarts(bytes, machine.position, keys, storages, wrong);
  return new Map(
    [...described].map(([name, one]) => [name, tensorOf(bytes, one, starts.get(one.storage.key)!)]),
  );
}

/** Where each storage's data begins; each comes after its number of elements, in the listed order. */
function storageStarts(
  bytes: Buffer,
  from: number,
  keys: readonly unknown[],
  storages: ReadonlyMap<unknown, Storage>,
  wrong: (what: string) => InputError,
): Map<unknown, number> {
  const starts = new Map<unknown, number>();
  let position = from;
  for (const key of keys) {
    const storage = storages.get(key);
    if (!storage) throw wrong('has a storage that no tensor uses');
    const begin = position + 8;
    const end = begin + storage.numel * bytesPerElement(storage.dtype);
    if (end > bytes.length) throw wrong('is cut off');
    if (bytes.readBigInt64LE(position) !== BigInt(storage.numel)) {
      throw wrong('has a storage of another size than its tensor says');
    }
    starts.set(key, begin);
    position = end;
  }
  for (const key of storages.keys()) if (!starts.has(key)) throw wrong('lacks a storage');
  return starts;
}

function tensorOf(bytes: Buffer, one: Described, start: number): Tensor {
  const { storage, offset, shape, strides } = one;
  const { dtype, numel } = storage;
  // a copy, since data begins at any byte
  const data = new Uint8Array(bytes.subarray(start, start + numel * bytesPerElement(dtype)));
  return tidy(() => {
    const flat = fromArray(new (typedArrayFor(dtype))(data.buffer), [numel], dtype);
    return call('aten::as_strided', flat, shape, strides, offset).contiguous();
  });
}

interface Storage {
  key: string;
  dtype: DType;
  numel: number;
}

/** A tensor as the pickle describes it, within its storage. */
class Described {
  constructor(
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: number[],
    readonly strides: number[],
  ) {}
}

/** A function or class of Python, by its name. */
class Global {
  constructor(readonly name: string) {}
}

const MARK = Symbol('mark');
const NOTHING = Symbol('nothing');

/** The stack machine of pickles, as far as state dicts need it. */
class Machine {
  private stack: unknown[] = [];
  private memo = new Map<number, unknown>();

  constructor(
    private readonly bytes: Buffer,
    /** where the next pickle begins */
    public position: number,
    private readonly wrong: (what: string) => InputError,
  ) {}

  /** Runs one pickle to its end, and returns what it makes. */
  run(): unknown {
    this.stack = [];
    this.memo = new Map();
    for (;;) {
      const code = this.byte();
      if (code === 0x2e) return this.popMany(1)[0]; // STOP
      const value = this.step(code);
      if (value !== NOTHING) this.stack.push(value);
    }
  }

  /** Carries out one instruction; returns the value that it pushes, or NOTHING. */
  private step(code: number): unknown {
    switch (code) {
      case 0x80: // PROTO
        if (this.byte() !== 2) throw this.wrong('is a pickle of another protocol than 2');
        return NOTHING;
      case 0x28: // MARK
        return MARK;
      case 0x4e: // NONE
        return null;
      case 0x88: // NEWTRUE
        return true;
      case 0x89: // NEWFALSE
        return false;
      case 0x4b: // BININT1
        return this.byte();
      case 0x4d: // BININT2
        return this.take(2).readUInt16LE();
      case 0x4a: // BININT
        return this.take(4).readInt32LE();
      case 0x58: // BINUNICODE
        return this.take(this.take(4).readUInt32LE()).toString('utf8');
      case 0x7d: // EMPTY_DICT
        return new Map();
      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
        return [];
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return this.popMany(code - 0x84);
      case 0x74: // TUPLE
        return this.popToMark();
      case 0x61: // APPEND
        return this.extend(this.popMany(1));
      case 0x65: // APPENDS
        return this.extend(this.popToMark());
      case 0x73: // SETITEM
        return this.setItems(this.popMany(2));
      case 0x75: // SETITEMS
        return this.setItems(this.popToMark());
      case 0x71: // BINPUT
        return this.remember(this.byte());
      case 0x72: // LONG_BINPUT
        return this.remember(this.take(4).readUInt32LE());
      case 0x68: // BINGET
        return this.recall(this.byte());
      case 0x6a: // LONG_BINGET
        return this.recall(this.take(4).readUInt32LE());
      case 0x63: // GLOBAL
        return new Global(`${this.line()} ${this.line()}`);
      case 0x51: // BINPERSID
        return this.storage(this.popMany(1)[0]);
      case 0x52: // REDUCE
        return this.call(this.popMany(2));
      case 0x62: // BUILD: attributes of the dict, such as its version, which are not needed
        this.popMany(1);
        return NOTHING;
      default:
        throw this.wrong(`has an instruction that no state dict needs (0x${code.toString(16)})`);
    }
  }

  /** The three functions that a state dict calls. */
  private call([callee, values]: unknown[]): unknown {
    const name = callee instanceof Global ? callee.name : '';
    if (name === 'collections OrderedDict' && Array.isArray(values) && values.length === 0) {
      return new Map();
    }
    if (name === 'torch._utils _rebuild_tensor_v2' && Array.isArray(values)) {
      return this.described(values);
    }
    if (name === 'torch._utils _rebuild_parameter' && Array.isArray(values)) return values[0];
    throw this.wrong(`calls ${name || 'what is no function'}, which no state dict needs`);
  }

  private described([storage, offset, shape, strides]: unknown[]): Described {
    if (!isStorage(storage) || !isCount(offset) || !isCounts(shape) || !isCounts(strides)) {
      throw this.wrong('describes a tensor in another way');
    }
    const numel = shape.reduce((a, b) => a * b, 1);
    if (shape.length !== strides.length || numel > storage.numel) throw this.wrong('is damaged');
    const last = shape.reduce((sum, size, i) => sum + (size - 1) * strides[i]!, offset);
    if (!shape.includes(0) && last >= storage.numel) {
      throw this.wrong('has a tensor beyond its storage');
    }
    return new Described(storage, offset, shape, strides);
  }

  private storage(id: unknown): Storage {
    const [kind, type, key, , numel] = Array.isArray(id) ? id : [];
    const dtype = type instanceof Global ? STORAGES[type.name] : undefined;
    if (kind !== 'storage' || !dtype || typeof key !== 'string' || !isCount(numel)) {
      throw this.wrong('has a storage of an unknown kind');
    }
    return { key, dtype, numel };
  }

  private setItems(items: unknown[]): typeof NOTHING {
    const dict = this.stack.at(-1);
    if (!(dict instanceof Map) || items.length % 2 > 0) throw this.wrong('is damaged');
    for (let i = 0; i < items.length; i += 2) dict.set(items[i], items[i + 1]);
    return NOTHING;
  }

  private extend(items: unknown[]): typeof NOTHING {
    const list = this.stack.at(-1);
    if (!Array.isArray(list)) throw this.wrong('is damaged');
    for (const item of items) list.push(item);
    return NOTHING;
  }

  private popMany(count: number): unknown[] {
    if (this.stack.length < count) throw this.wrong('is damaged');
    return this.stack.splice(-count);
  }

  private popToMark(): unknown[] {
    const mark = this.stack.lastIndexOf(MARK);
    if (mark < 0) throw this.wrong('is damaged');
    return this.stack.splice(mark).slice(1);
  }

  private remember(at: number): typeof NOTHING {
    this.memo.set(at, this.stack.at(-1));
    return NOTHING;
  }

  private recall(at: number): unknown {
    if (!this.memo.has(at)) throw this.wrong('is damaged');
    return this.memo.get(at);
  }

  private line(): string {
    const end = this.bytes.indexOf(0x0a, this.position);
    if (end < 0) throw this.wrong('is cut off');
    const text = this.bytes.toString('latin1', this.position, end);
    this.position = end + 1;
    return text;
  }

  private byte(): number {
    return this.take(1)[0]!;
  }

  private take(count: number): Buffer {
    const end = this.position + count;
    if (end > this.bytes.length) throw this.wrong('is cut off');
    const part = this.bytes.subarray(this.position, end);
    this.position = end;
    return part;
  }
}

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
const isCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every(isCount);
const isStorage = (value: unknown): value is Storage =>
  typeof value === 'object' && value !== null && 'numel' in value && 'dtype' in value;
