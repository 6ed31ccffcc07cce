/** What tasks are called on the page; the server's summary says the rest. */
export const NAMES: Readonly<Record<string, string>> = {
  t2i: 'Picture from words',
  t2v: 'Clip from words',
  i2v: 'Picture to clip',
  iinp: 'Fill a part',
  ioutp: 'Extend the frame',
  iedit: 'Edit by words',
  icolor: 'Colour it',
  isr: 'Enlarge',
  itrans: 'From one to another',
  vexd: 'Go on with it',
  vinp: 'Fill a part',
  voutp: 'Extend the frame',
  vedit: 'Edit by words',
  vcolor: 'Colour it',
  vsr: 'Enlarge',
  vtrans: 'From one to another',
  mtrans: 'Same motion, new look',
  d2v: 'Clip from depth',
  any: 'Mixture',
};

export const nameOf = (task: string): string => NAMES[task] ?? task;
