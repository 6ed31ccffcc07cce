/** Mutates valid files, in bytes or JSON values; the same random stream gives the same file. */
import type { RandomStream } from '../../src/data/random.js';

type Bytes = Buffer<ArrayBufferLike>;

export type Mutate = (seeds: readonly Bytes[], random: RandomStream) => Bytes;

/** One to eight changes of a few bytes at random places. */
export const anyBytes: Mutate = (seeds, random) => {
  let bytes: Bytes = Buffer.from(random.pick(seeds));
  for (let left = below(random, 8); left >= 0; left--) bytes = random.pick(EDITS)(bytes, random);
  if (random.chance(0.05)) bytes = Buffer.concat([bytes, bytes.subarray(at(bytes, random))]);
  return bytes;
};

/** Replaces parts of a seed's JSON value; sometimes mutates random bytes instead. */
export const jsonValues: Mutate = (seeds, random) => {
  if (random.chance(0.2)) return anyBytes(seeds, random);
  return Buffer.from(textOf(changed(JSON.parse(random.pick(seeds).toString()), random), random));
};

/** Changes one or two lines of JSON Lines. */
export const jsonLines: Mutate = (seeds, random) => {
  if (random.chance(0.3)) return anyBytes(seeds, random);
  const lines = random.pick(seeds).toString().trimEnd().split('\n');
  for (let left = below(random, 2); left >= 0; left--) {
    const line = below(random, lines.length);
    lines[line] = textOf(changed(parsed(lines[line]!), random), random);
  }
  return Buffer.from(`${lines.join('\n')}\n`);
};

/** Changes values in a safetensors header, mostly adjusting its stored length. */
export const safetensorsHeader: Mutate = (seeds, random) => {
  if (random.chance(0.3)) return anyBytes(seeds, random);
  const seed = random.pick(seeds);
  const end = 8 + Number(seed.readBigUInt64LE(0));
  const header = changed(JSON.parse(seed.toString('utf8', 8, end)), random);
  const text = Buffer.from(textOf(header, random));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([
    random.chance(0.1) ? seed.subarray(0, 8) : length,
    text,
    seed.subarray(end),
  ]);
};

/** Changes a field of a tar header, mostly with a corrected checksum. */
export const tarHeader: Mutate = (seeds, random) => {
  if (random.chance(0.3)) return anyBytes(seeds, random);
  const bytes = Buffer.from(random.pick(seeds));
  const header = 512 * below(random, Math.max(1, bytes.length / 512));
  const [offset, length] = random.pick(TAR_FIELDS);
  const field = bytes.subarray(header + offset, header + offset + length);
  const value = random.pick(TAR_VALUES);
  for (let i = 0; i < field.length; i++) field[i] = value.charCodeAt(i % value.length) || 0;
  if (random.chance(0.9) && header + 512 <= bytes.length) signHeader(bytes, header);
  return bytes;
};

/** Name, mode, size, checksum, type, magic, prefix. */
const TAR_FIELDS = [
  [0, 100],
  [100, 8],
  [124, 12],
  [148, 8],
  [156, 1],
  [257, 8],
  [345, 155],
] as const;
const TAR_VALUES = [
  ...['-0000000001\0', '77777777777\0', '\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff'],
  ...[
    '\x80\0\0\0\0\0\0\0\0\0\0\x01',
    '00000000019\0',
    '           \0',
    '../../etc/x\0',
    '1e9',
    '0x10',
  ],
  ...['\0', '0', '1', '2', '5', 'x', 'g', 'L', 'K', 'S', '7', '\x1b[2J', 'é', '0000000000 '],
];

function signHeader(bytes: Buffer, header: number): void {
  bytes.fill(' ', header + 148, header + 156);
  let sum = 0;
  for (let i = 0; i < 512; i++) sum += bytes[header + i]!;
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, header + 148, 'latin1');
}

const below = (random: RandomStream, count: number) => Math.floor(random.next() * count);
const at = (bytes: Bytes, random: RandomStream) => below(random, bytes.length + 1);

type Edit = (bytes: Bytes, random: RandomStream) => Bytes;

const splice = (bytes: Bytes, from: number, to: number, between: Uint8Array): Bytes =>
  Buffer.concat([bytes.subarray(0, from), between, bytes.subarray(to)]);

const EDITS: readonly Edit[] = [
  // flip a bit
  (bytes, random) => {
    if (bytes.length > 0) bytes[below(random, bytes.length)]! ^= 1 << below(random, 8);
    return bytes;
  },
  // insert a byte that has a meaning in most formats
  (bytes, random) => {
    const byte = random.pick([
      0, 1, 9, 10, 13, 32, 34, 44, 45, 58, 59, 92, 123, 125, 127, 128, 255,
    ]);
    if (bytes.length > 0) bytes[below(random, bytes.length)] = byte;
    return bytes;
  },
  // overwrite a binary number of two, four or eight bytes
  (bytes, random) => {
    const size = random.pick([2, 4, 8]);
    if (bytes.length < size) return bytes;
    const value = random.pick([
      0n,
      1n,
      2n ** 15n,
      2n ** 31n - 1n,
      2n ** 31n,
      2n ** 53n,
      2n ** 64n - 1n,
    ]);
    const eight = Buffer.alloc(8);
    eight.writeBigUInt64LE(value);
    eight.copy(bytes, below(random, bytes.length - size + 1), 0, size);
    return bytes;
  },
  // remove a range; duplicate a range; truncate; insert a difficult value
  (bytes, random) => {
    const from = at(bytes, random);
    return splice(bytes, from, from + below(random, 64), new Uint8Array());
  },
  (bytes, random) => {
    const from = at(bytes, random);
    return splice(bytes, from, from, bytes.subarray(from, from + below(random, 512)));
  },
  (bytes, random) => splice(bytes, at(bytes, random), bytes.length, new Uint8Array()),
  (bytes, random) => {
    const from = at(bytes, random);
    return splice(bytes, from, from, Buffer.from(String(random.pick(NASTY))));
  },
  // replace a decimal number
  (bytes, random) => {
    const text = bytes.toString('latin1');
    const numbers = [...text.matchAll(/-?\d+(\.\d+)?/g)];
    if (numbers.length === 0) return bytes;
    const { index, 0: digits } = random.pick(numbers);
    const value = random.pick(['-1', '0', '1e309', '99999999999999999999', '0.5', '4294967296']);
    return splice(bytes, index, index + digits.length, Buffer.from(value));
  },
];

const NASTY: readonly unknown[] = [
  ...[null, true, false, 0, -0, -1, 0.5, 1e9, 1e308, 2 ** 31, 2 ** 53, -(2 ** 53)],
  ...[
    '',
    ' ',
    '\0',
    '\u001b[31m',
    '../../../etc/passwd',
    '/dev/zero',
    'NaN',
    '__proto__',
    'é\u0301',
  ],
  ...['(a+)+$', '$x', '{{}}', '%s', 'x'.repeat(5000), '\ud800', '[', '{"a":', '- &a [*a]'],
  ...[[], {}, [[]], [null], { a: 1 }, [1, [2, [3]]], [-1, -1], [2 ** 53, 2 ** 53]],
];

/** `source` with one to three of its values replaced, removed, renamed or duplicated. */
function changed(source: unknown, random: RandomStream): unknown {
  const root = { value: source };
  for (let left = below(random, 3); left >= 0; left--) {
    const places = placesIn(root).filter(({ holder }) => Object.keys(holder).length > 0);
    const { holder } = random.pick(places);
    const key = random.pick(Object.keys(holder));
    const values = holder as Record<string, unknown>;
    const roll = below(random, 10);
    if (roll === 0 && holder !== root) delete values[key];
    else if (Array.isArray(holder) && roll < 3) holder.push(...holder.slice(0, 50));
    else if (roll === 1 && holder !== root) define(values, String(random.pick(NASTY)), values[key]);
    else if (typeof values[key] === 'number' && roll < 6) {
      define(values, key, values[key] * random.pick([-1, 0, 0.5, 2, 1000, 1e12, 1e300]));
    } else define(values, key, structuredClone(random.pick(NASTY)));
  }
  return root.value;
}

/** Sets a key, also `__proto__`, as an own property. */
function define(holder: object, key: string, value: unknown): void {
  const own = { value, writable: true, enumerable: true, configurable: true };
  Object.defineProperty(holder, key, own);
}

function placesIn(holder: object): { holder: object }[] {
  const inner = Object.values(holder).filter(
    (value) => typeof value === 'object' && value !== null,
  );
  // only the first values of long lists, such as a vocabulary
  return [{ holder }, ...inner.slice(0, 200).flatMap(placesIn)];
}

/** JSON text; rarely nested so deeply that recursive parsers fail. */
function textOf(value: unknown, random: RandomStream): string {
  const text = JSON.stringify(value) ?? '';
  if (!random.chance(0.003)) return text;
  const depth = random.pick([1000, 60_000]);
  const deep = random.chance(0.5) ? '['.repeat(depth) + ']'.repeat(depth) : '{"a":'.repeat(depth);
  const colon = text.indexOf(':');
  return colon < 0 ? deep : `${text.slice(0, colon + 1)}${deep}${text.slice(colon + 1)}`;
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return line;
  }
}
