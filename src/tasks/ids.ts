/** The names of the tasks, for option tables; what they are is in table.ts. */
export const TASK_IDS = [
  ...(['t2i', 't2v', 'i2v', 'vexd', 'itrans', 'vtrans', 'isr', 'vsr'] as const),
  ...(['icolor', 'vcolor', 'iinp', 'vinp', 'ioutp', 'voutp', 'vedit'] as const),
] as const;
export type TaskId = (typeof TASK_IDS)[number];
