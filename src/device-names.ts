/** The names of devices, as users write them. */

export const DEVICE_NAME = /^(auto|cpu|cuda(:\d+)?|mps|privateuseone(:\d+)?)$/;

/** What to write, for messages. */
export const DEVICE_NAMES = 'auto, cpu, cuda, cuda:N or mps';
