import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { InputError, JobError, MfmError } from '../../src/errors.js';
import {
  type DType,
  memoryInfo,
  noGrad,
  ones,
  openSafetensors,
  randn,
  saveSafetensors,
  tensor,
  zeros,
} from '../../src/tensor/index.js';
import { native } from '../../src/tensor/native.js';
import { temporaryFolder } from '../temp-folder.js';

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);

/** A file from a header and a number of data bytes that are holes. */
function write(name: string, header: unknown, dataBytes: number): string {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(text.length));
  const path = at(name);
  const file = openSync(path, 'w');
  writeSync(file, Buffer.concat([start, text]));
  ftruncateSync(file, 8 + text.length + dataBytes);
  closeSync(file);
  return path;
}

describe('saveSafetensors and openSafetensors', () => {
  test('bring back every dtype, shape and value, and the metadata', () => {
    const kinds: DType[] = [
      ...(['float32', 'float64', 'float16', 'bfloat16', 'int64'] as const),
      ...(['int32', 'int16', 'int8', 'uint8', 'bool'] as const),
    ];
    const tensors = new Map(
      kinds.map((dtype, i) => [
        `a.${dtype}`,
        tensor([[0, 1, 1]].slice(0, 1))
          .add(0)
          .mul(i % 2 ? 1 : 2)
          .to(dtype),
      ]),
    );
    tensors.set('scalar', tensor(2.5));
    tensors.set('empty', zeros([0, 3]));
    tensors.set(
      'turned',
      tensor([
        [1, 2],
        [3, 4],
      ]).transpose(0, 1),
    );
    saveSafetensors(at('all.safetensors'), tensors, { format: 'pt', note: 'ü' });

    const file = openSafetensors(at('all.safetensors'));
    assert.deepEqual(file.metadata, { format: 'pt', note: 'ü' });
    assert.deepEqual(new Set(file.keys()), new Set(tensors.keys()));
    for (const [name, want] of tensors) {
      const got = file.get(name);
      assert.deepEqual([got.dtype, got.shape], [want.dtype, want.shape], name);
      assert.deepEqual(got.toArray(), want.toArray(), name);
      assert.deepEqual(file.info(name), { dtype: want.dtype, shape: want.shape });
    }
    assert.ok(file.has('scalar') && !file.has('other'));
    assert.throws(() => file.get('other'), {
      name: 'InputError',
      message: /all\.safetensors: has no tensor "other"/,
    });
    file.close();
  });

  test('writes the layout that other readers expect', () => {
    const path = at('layout.safetensors');
    saveSafetensors(path, { w: tensor([1, -2]), b: tensor([3], { dtype: 'uint8' }) });
    const bytes = readFileSync(path);
    const headerBytes = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.subarray(8, 8 + headerBytes).toString());
    assert.deepEqual(header.w, { dtype: 'F32', shape: [2], data_offsets: [0, 8] });
    assert.deepEqual(header.b, { dtype: 'U8', shape: [1], data_offsets: [8, 9] });
    assert.equal((8 + headerBytes) % 8, 0);
    assert.equal(bytes.length, 8 + headerBytes + 9);
    assert.equal(bytes.readFloatLE(8 + headerBytes + 4), -2);
  });

  test('tensors stay valid after close, and writing to them leaves the file alone', () => {
    const path = at('kept.safetensors');
    saveSafetensors(path, { w: tensor([1, 2]) });
    const before = readFileSync(path);
    const file = openSafetensors(path);
    const w = file.get('w');
    file.close();
    noGrad(() => w.add_(1));
    assert.deepEqual([...w.toFloat32Array()], [2, 3]);
    assert.deepEqual(readFileSync(path), before);
  });

  test('maps: 4 GB open in milliseconds and use no memory', {
    skip: process.platform === 'win32',
  }, () => {
    const elements = 2 ** 29;
    const entry = (i: number) => ({
      dtype: 'BF16',
      shape: [elements],
      data_offsets: [i * elements * 2, (i + 1) * elements * 2],
    });
    const names = [0, 1, 2, 3];
    const header = Object.fromEntries(names.map((i) => [`w${i}`, entry(i)]));
    const path = write('big.safetensors', header, 4 * elements * 2);
    openSafetensors(path).close(); // code is warm
    const rssBefore = process.memoryUsage.rss();
    const startMs = performance.now();
    const file = openSafetensors(path);
    const tensors = names.map((i) => file.get(`w${i}`));
    const ms = performance.now() - startMs;
    assert.equal(
      tensors[3]!
        .narrow(0, elements - 1, 1)
        .to('float32')
        .item(),
      0,
    );
    const grown = process.memoryUsage.rss() - rssBefore;
    assert.ok(ms < 500, `${ms} ms`); // a few; the bound allows for a busy machine
    assert.ok(grown < 64 * 2 ** 20, `${grown} bytes`);
    for (const w of tensors) w.dispose();
    file.close();
  });
});

describe('openSafetensors refuses with one sentence', () => {
  const entry = (change: object) => ({
    w: { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24], ...change },
  });
  const files: [string, () => string, RegExp][] = [
    ['a missing file', () => at('none.safetensors'), /no such file/],
    ['a folder', () => folder, /not a file/],
    [
      'an empty file',
      () => {
        writeFileSync(at('empty.st'), '');
        return at('empty.st');
      },
      /not a complete .*0 bytes/,
    ],
    [
      'text',
      () => {
        writeFileSync(at('text.st'), 'hello, this is no weights file');
        return at('text.st');
      },
      /not a complete/,
    ],
    [
      'a header that is cut',
      () => {
        writeFileSync(at('cut.st'), Buffer.from([200, 0, 0, 0, 0, 0, 0, 0, 123]));
        return at('cut.st');
      },
      /beyond the end/,
    ],
    ['a header that is no JSON', () => write('json.st', '{"w": ', 24), /not JSON/],
    ['a header that is a list', () => write('list.st', [1, 2], 24), /not a complete/],
    ['a header that is null', () => write('null.st', 'null', 24), /not a complete/],
    [
      'an entry that is not an object',
      () => write('entry.st', { w: 3 }, 24),
      /not a complete.*"w"/,
    ],
    [
      'an entry without offsets',
      () => write('offsets.st', entry({ data_offsets: undefined }), 24),
      /not a complete.*"w"/,
    ],
    [
      'a shape that is no list',
      () => write('shape.st', entry({ shape: 'x' }), 24),
      /not a complete.*"w"/,
    ],
    [
      'a negative shape',
      () => write('negative.st', entry({ shape: [-2, -3] }), 24),
      /not a complete.*"w"/,
    ],
    [
      'negative offsets',
      () => write('before.st', entry({ data_offsets: [-24, 0] }), 24),
      /not a complete.*"w"/,
    ],
    [
      'data that are cut',
      () => write('data.st', entry({}), 23),
      /"w" extends beyond the end of the file/,
    ],
    [
      'a size that does not fit the shape',
      () => write('size.st', entry({ shape: [2, 2] }), 24),
      /"w" has a wrong size/,
    ],
    [
      'tensors that share bytes',
      () => write('shared.st', { a: entry({}).w, b: entry({ data_offsets: [8, 32] }).w }, 32),
      /"b" shares bytes with another tensor/,
    ],
    [
      'bytes that belong to no tensor before one',
      () => write('gap.st', entry({ data_offsets: [8, 32] }), 32),
      /"w" comes after bytes that belong to no tensor/,
    ],
    [
      'bytes that belong to no tensor at the end',
      () => write('tail.st', entry({}), 32),
      /8 bytes at its end belong to no tensor/,
    ],
    [
      'a tensor that is named twice',
      () =>
        write(
          'twice.st',
          `{"w":${JSON.stringify(entry({}).w)},"w":${JSON.stringify(entry({}).w)}}`,
          24,
        ),
      /names a tensor twice/,
    ],
    [
      'sizes whose product no number holds',
      () => write('product.st', entry({ shape: [0, 2 ** 52, 2 ** 52], data_offsets: [0, 0] }), 0),
      /"w" has a wrong size/,
    ],
    [
      'offsets that are no whole numbers',
      () => write('half.st', entry({ data_offsets: [0.5, 24.5] }), 25),
      /not a complete.*"w"/,
    ],
    [
      'offsets beyond 2^53',
      () => write('beyond.st', entry({ data_offsets: [2 ** 53, 2 ** 53 + 24] }), 24),
      /not a complete.*"w"/,
    ],
    [
      'metadata that is a list',
      () => write('list.st', { __metadata__: [1], ...entry({}) }, 24),
      /its __metadata__ does not map names to strings/,
    ],
    [
      'a header that is nested 60,000 levels deep',
      () => write('deep.st', `${'['.repeat(60_000)}${']'.repeat(60_000)}`, 0),
      /the header is not JSON/,
    ],
    [
      'a header that is not UTF-8',
      () => {
        const path = write('latin.st', '{"w": 1}', 0);
        const bytes = readFileSync(path);
        bytes[10] = 0xff;
        writeFileSync(path, bytes);
        return path;
      },
      /the header is not JSON/,
    ],
    [
      'GGUF',
      () => {
        writeFileSync(at('gguf.st'), Buffer.concat([Buffer.from('GGUF'), Buffer.alloc(60)]));
        return at('gguf.st');
      },
      /is GGUF, .*convert it/,
    ],
    [
      'a zip file of PyTorch',
      () => {
        writeFileSync(at('zip.st'), Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(60)]));
        return at('zip.st');
      },
      /is a zip file, as PyTorch writes/,
    ],
    [
      'a Python pickle',
      () => {
        writeFileSync(at('pickle.st'), Buffer.from('8002637400000000', 'hex'));
        return at('pickle.st');
      },
      /is a Python pickle/,
    ],
    [
      'a pointer of Git LFS',
      () => {
        writeFileSync(at('lfs.st'), 'version https://git-lfs.github.com/spec/v1\noid sha256:00\n');
        return at('lfs.st');
      },
      /is a pointer of Git LFS.*git lfs pull/,
    ],
    [
      'an element type that it has not',
      () => write('type.st', entry({ dtype: 'F8_E4M3' }), 24),
      /type\.st: .*"F8_E4M3"/,
    ],
  ];
  for (const [what, make, message] of files) {
    test(what, () => {
      const path = make();
      assert.throws(
        () => openSafetensors(path),
        (error: Error) => {
          assert.ok(error instanceof InputError, `${error.stack}`);
          assert.ok(error.message.startsWith(`${path}: `), error.message);
          assert.match(error.message, message);
          assert.doesNotMatch(error.message, /\n/);
          return true;
        },
      );
    });
  }
});

test('openSafetensors takes metadata that is null, and a header whose length looks like a pickle', () => {
  const path = write(
    'null.st',
    { __metadata__: null, w: { dtype: 'U8', shape: [1], data_offsets: [0, 1] } },
    1,
  );
  assert.deepEqual(openSafetensors(path).metadata, {});
  const name = 'n'.repeat(
    0x0280 - JSON.stringify({ '': { dtype: 'U8', shape: [1], data_offsets: [0, 1] } }).length,
  );
  const odd = write('odd.st', { [name]: { dtype: 'U8', shape: [1], data_offsets: [0, 1] } }, 1);
  assert.deepEqual([...readFileSync(odd).subarray(0, 2)], [0x80, 2]);
  assert.deepEqual(openSafetensors(odd).keys(), [name]);
});

describe('saveSafetensors', () => {
  test('is atomic: a failure leaves the old file and no other', () => {
    const inside = at('atomic');
    mkdirSync(inside);
    const path = join(inside, 'w.safetensors');
    saveSafetensors(path, { w: ones([2]) });
    const before = readFileSync(path);
    const gone = randn([2]);
    const broken = {
      a: ones([3]),
      get b() {
        return gone;
      },
    };
    const meta = zeros([4], { device: 'meta' }); // has no data to write
    assert.throws(() => saveSafetensors(path, { ...broken, meta }), JobError);
    assert.deepEqual(readFileSync(path), before);
    assert.deepEqual(readdirSync(inside), ['w.safetensors']);
  });

  test('writing a tensor to a full device gives the error number of the system', {
    skip: !existsSync('/dev/full') && 'needs /dev/full',
  }, () => {
    const file = openSync('/dev/full', 'w');
    assert.equal(native.writeTensor(ones([4]).handle, file), constants.errno.ENOSPC);
    closeSync(file);
  });

  test('writes the bytes of a tensor, and refuses what is no tensor or file', () => {
    const path = at('raw');
    const file = openSync(path, 'w');
    assert.equal(native.writeTensor(tensor([1, -2]).handle, file), 0);
    assert.equal(native.writeTensor(zeros([0, 3]).handle, file), 0);
    closeSync(file);
    assert.deepEqual(
      new Float32Array(Uint8Array.from(readFileSync(path)).buffer),
      Float32Array.of(1, -2),
    );
    assert.equal(native.writeTensor(ones([4]).handle, file), constants.errno.EBADF);
    for (const wrong of [-1, 2 ** 31, 1e300]) {
      assert.throws(() => native.writeTensor(ones([4]).handle, wrong), MfmError);
    }
    assert.throws(() => native.writeTensor(0, 1), MfmError);
    const turned = ones([2, 3]).transpose(0, 1);
    assert.throws(() => native.writeTensor(turned.handle, 1), /contiguous/);
  });

  test('keeps no tensor that it has written', () => {
    const path = at('freed.safetensors');
    const elements = 2 ** 20;
    const before = memoryInfo().usedBytes;
    let most = 0;
    const large = {
      dtype: 'float32' as const,
      shape: [elements],
      numel: elements,
      detach() {
        const made = zeros([elements]);
        most = Math.max(most, memoryInfo().usedBytes - before);
        return made;
      },
    };
    saveSafetensors(path, { a: large, b: large, c: large, d: large });
    assert.ok(most < 2 * 4 * elements, `${most} bytes`);
  });

  test('makes the folder; a place that cannot be written is one sentence', () => {
    const path = at('new/deep/w.safetensors');
    saveSafetensors(path, { w: ones([1]) });
    assert.ok(existsSync(path));
    const below = join(path, 'below.safetensors');
    assert.throws(() => saveSafetensors(below, { w: ones([1]) }), {
      name: 'JobError',
      message: /below\.safetensors: could not be written \(.*\)$/,
    });
  });
});
