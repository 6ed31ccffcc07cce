/** Exponential moving average of weights, in float32 whatever the parameters' dtype. */
import { InputError } from '../errors.js';
import { call, hasOperator, noGrad, type Tensor, tidy } from '../tensor/index.js';

/** LibTorch 1.13 lacks it. */
const LERP = 'aten::_foreach_lerp_.Scalar';

export class Ema {
  private readonly averages: Map<string, Tensor>;

  /** @param parameters   by name; the averages start from their current values */
  constructor(
    parameters: ReadonlyMap<string, Tensor>,
    readonly decay: number,
  ) {
    this.averages = noGrad(
      () =>
        new Map(
          [...parameters].map(([name, value]) => [
            name,
            tidy(() => value.detach().to('float32').clone().keep()),
          ]),
        ),
    );
  }

  /**
   * average = decay · average + (1 - decay) · weights. Pass the optimizer's master weights if there
   * are any, since they keep the digits that 16-bit weights lose to rounding.
   */
  update(parameters: ReadonlyMap<string, Tensor>, decay = this.decay): void {
    const all = [...this.averages];
    const together = all.some(([, { device }]) => device !== 'cpu') && hasOperator(LERP);
    noGrad(() => {
      if (together) {
        // one kernel for many weights, where starting kernels costs more than their work
        tidy(() => {
          const weights = all.map(([name]) => taken(parameters, name).to('float32'));
          call(
            LERP,
            all.map(([, average]) => average),
            weights,
            1 - decay,
          );
        });
        return;
      }
      for (const [name, average] of all) {
        tidy(() => {
          average.lerp_(taken(parameters, name).to('float32'), 1 - decay);
        });
      }
    });
  }

  /** Writes the averages into `parameters`, in their dtype. */
  copyTo(parameters: ReadonlyMap<string, Tensor>): void {
    noGrad(() => {
      for (const [name, average] of this.averages) taken(parameters, name).copy_(average);
    });
  }

  /** The averages by parameter name; live tensors, not copies: save them at once. */
  stateDict(): Record<string, Tensor> {
    return Object.fromEntries(this.averages);
  }

  /** @throws InputError naming a tensor that is missing */
  loadStateDict(state: Readonly<Record<string, Tensor>>): void {
    const given = new Map(Object.entries(state));
    noGrad(() => {
      for (const [name, average] of this.averages) average.copy_(taken(given, name));
    });
  }

  dispose(): void {
    for (const average of this.averages.values()) average.dispose();
    this.averages.clear();
  }
}

function taken(parameters: ReadonlyMap<string, Tensor>, name: string): Tensor {
  const found = parameters.get(name);
  if (!found) throw new InputError(`Ema: the parameters must contain ${name}, but do not`);
  return found;
}
