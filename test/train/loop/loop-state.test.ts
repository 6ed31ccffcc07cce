import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromStored, type StoredState, toStored } from '../../../src/train/loop/loop-state.js';

test('checkpoints of all versions have the same names', () => {
  // state.json of a run that was stopped amid its evaluations, as the first version wrote it
  const stored: StoredState = JSON.parse(`{
    "stage": 1, "step": 40, "stageStep": 8, "stageSeconds": 2.5, "seconds": 9, "samples": 160,
    "position": { "step": 8, "taken": { "clip 0": [0, 8] } },
    "guard": { "logNorm": -0.5, "seen": 40, "badInRow": 0, "rollBacks": 0, "learningRateFactor": 0.5 },
    "unmeasured": ["validate", "sample"], "sums": []
  }`);
  const { state, sums } = fromStored(stored);
  assert.deepEqual(state.pendingEvaluations, ['validate', 'sample']);
  assert.deepEqual([state.step, state.guard.learningRateFactor, sums], [40, 0.5, []]);
  assert.deepEqual(toStored(state, sums, 'cuda:0'), { ...stored, device: 'cuda:0' });
  const kept = { ...state, memory: { first: { t2i: 1 } } };
  assert.deepEqual(fromStored(toStored(kept, sums, 'cpu')).state, kept);
});
