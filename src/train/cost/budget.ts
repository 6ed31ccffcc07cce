/** What a stage's budgets of tokens come to where they hold less than one sample. */
import type { Stage } from '../recipe/config.js';
import { batchesOf } from './cost.js';

/** A sentence for each budget and kind of samples that it has no room for. */
export function budgetNotes(stage: Stage): string[] {
  const { tokensPerBatch, tokensPerMicroBatch } = stage;
  return batchesOf(stage).flatMap(({ kind, tokens }) => {
    const less = (key: string, budget: number | undefined, then: string) =>
      budget !== undefined && budget < tokens
        ? [`${key} ${budget} is less than the ${tokens} of one ${kind}: ${then}`]
        : [];
    return [
      ...less('tokensPerBatch', tokensPerBatch, 'a batch has one all the same'),
      ...less('tokensPerMicroBatch', tokensPerMicroBatch, 'one is taken at a time all the same'),
    ];
  });
}
