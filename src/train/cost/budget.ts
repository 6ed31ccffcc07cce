/** Notes on token budgets of a stage that are smaller than one sample. */
import type { Stage } from '../recipe/config.js';
import { batchesOf } from './cost.js';

/** A sentence for each budget that is smaller than an image or a clip of the stage. */
export function budgetNotes(stage: Stage): string[] {
  const { tokensPerBatch, tokensPerMicroBatch } = stage;
  return batchesOf(stage).flatMap(({ kind, tokens }) => {
    const less = (key: string, budget: number | undefined, then: string) =>
      budget !== undefined && budget < tokens
        ? [`${key} ${budget} is less than the ${tokens} tokens of one ${kind}: ${then}`]
        : [];
    return [
      ...less('tokensPerBatch', tokensPerBatch, 'a batch holds one nevertheless'),
      ...less('tokensPerMicroBatch', tokensPerMicroBatch, 'one is computed at a time nevertheless'),
    ];
  });
}
