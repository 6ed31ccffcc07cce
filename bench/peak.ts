/** This machine's fastest bf16 matrix product, to which other benches are compared. */
import { randn, type Tensor, tidy } from '../src/tensor/index.js';

/** One of several large products; `flops` are the operations of one run. */
export interface PeakProduct {
  name: string;
  flops: number;
  run(): void;
}

/** Products [rows, inner] x [inner, columns], with weights laid out as in Linear. */
export function peakProducts(): PeakProduct[] {
  const sizes = [
    [2048, 1024, 4096],
    [2048, 2048, 2048],
    [4096, 4096, 4096],
    [8800, 1792, 7168],
  ];
  return sizes.map(([rows, inner, columns]) => {
    const [x, weight] = tidy(() => [
      randn([rows, inner]).to('bfloat16'),
      randn([columns, inner]).to('bfloat16'),
    ]).map((t: Tensor) => t.keep());
    return {
      name: `${rows}x${inner}x${columns}`,
      flops: 2 * rows * inner * columns,
      run: () => tidy(() => void x.matmul(weight.transpose(0, 1))),
    };
  });
}

/** A rate as readable text. */
export const gigaflops = (flops: number, seconds: number): string =>
  `${(flops / seconds / 1e9).toFixed(0)} GFLOP/s`;
