/** How a server is started. */
import type { OpenSpec } from './engine/messages.js';

export interface ServerOptions {
  /**
   * folders, or ORG/NAME that was downloaded; the first one is the default of requests; default: the
   * newest one in runs/ or models/
   */
  pipelines?: readonly string[];
  /** holds jobs and files; default: `server` in the current folder */
  folder?: string;
  /** holds training runs, those of the command line too; default: `runs` */
  runs?: string;
  /** holds folders of data that fine-tuning jobs may name; default: none */
  data?: string;
  device?: string;
  dtype?: OpenSpec['dtype'];
  depthModel?: string;
  /** keys, one of which each request must have; default: none is needed */
  apiKeys?: readonly string[];
  /** names, besides localhost, that the server may be asked by */
  hosts?: readonly string[];
  /** other pages that may use the server, as `https://host:port` */
  origins?: readonly string[];
  /** accept addresses of other hosts as inputs; default: false */
  allowUrls?: boolean;
  /** requests a minute with one key; default: 1200; 0: any number */
  rate?: number;
  /** the most jobs that may wait; default: 100 */
  maxQueue?: number;
  /** the most bytes of an uploaded file; default: 512 MiB */
  maxUpload?: number;
  /** the most pixels of a picture, or of a frame, as an input or a result; default: 64 million */
  maxPixels?: number;
  /** the most frames of a result; default: 10,000 */
  maxFrames?: number;
  /** from a cancel to the kill of an engine that does not stop by itself; default: 10,000 */
  cancelMs?: number;
  /** ends an upload of which nothing comes for so long; default: 30,000 */
  stallMs?: number;
  /** the studio's built files; default: those of this package */
  studio?: string;
  /** receives a sentence about what whoever runs the server should know */
  onNote?: (sentence: string) => void;
}

export const DEFAULTS = {
  folder: 'server',
  runs: 'runs',
  rate: 1200,
  maxQueue: 100,
  maxUpload: 512 * 2 ** 20,
  maxPixels: 64_000_000,
  maxFrames: 10_000,
  cancelMs: 10_000,
  stallMs: 30_000,
} as const;
