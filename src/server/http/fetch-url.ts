/**
 * Pictures that requests name by URL. Data URLs are always accepted; others only if the server was
 * started so, and never from addresses of its own network: the name is looked up once, and the
 * connection goes to the address that was checked, also after each redirect.
 */
import { lookup } from 'node:dns/promises';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { BlockList, isIP } from 'node:net';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { badRequest, HttpError, isDiskFull } from '../errors.js';
import { incomingPath } from '../store/folder.js';
import { writeDataUrl } from './data-url.js';

export interface FetcherOptions {
  /** the folder for files that are being received */
  incoming: string;
  /** may requests name addresses of other hosts? */
  allowUrls: boolean;
  maxBytes: number;
  /** finds the addresses of a host; default: the system's */
  resolve?: (host: string) => Promise<string[]>;
  /** addresses that are not asked; default: `isPrivate` */
  isRefused?: (address: string) => boolean;
}

const REDIRECTS = 3;
/** How long nothing may come, and how long all of it may take. */
const TIMEOUT_MS = 30_000;
const WHOLE_MS = 600_000;

export class Fetcher {
  constructor(private readonly options: FetcherOptions) {}

  /** @returns the path of a new file in `incoming`. @throws HttpError naming the field */
  async fetch(url: string, field: string): Promise<string> {
    const { incoming, allowUrls } = this.options;
    const path = incomingPath(incoming);
    try {
      if (url.startsWith('data:')) await writeDataUrl(url, path, field);
      else if (!allowUrls) {
        throw badRequest(
          `${field}: addresses of other hosts are not accepted here; upload the file to /v1/files, or start the server with --allow-urls`,
          field,
        );
      } else await this.download(url, path, field);
      return path;
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  }

  private async download(url: string, path: string, field: string): Promise<void> {
    let at = url;
    for (let i = 0; i <= REDIRECTS; i++) {
      const response = await this.get(at, field);
      const { statusCode = 0, headers } = response;
      if (statusCode >= 300 && statusCode < 400 && headers.location) {
        response.destroy();
        at = target(headers.location, at, field);
        continue;
      }
      if (statusCode !== 200) {
        response.destroy();
        throw badRequest(
          `${field}: ${at} answered with ${statusCode}; upload the file to /v1/files`,
          field,
        );
      }
      await pipeline(response, this.bounded(field), createWriteStream(path)).catch((error) => {
        if (error instanceof HttpError || isDiskFull(error)) throw error;
        throw unreadable(at, field, (error as Error).message);
      });
      return;
    }
    throw badRequest(
      `${field}: ${url} leads to more than ${REDIRECTS} redirects; name the file itself`,
      field,
    );
  }

  private async get(text: string, field: string): Promise<IncomingMessage> {
    let url: URL;
    try {
      url = new URL(text);
    } catch {
      throw badRequest(
        `${field}: "${text.slice(0, 100)}" is no address; begin it with https://`,
        field,
      );
    }
    if (url.protocol !== 'http:' && url.protocol !== 'https:') {
      throw badRequest(
        `${field}: ${url.protocol} is not accepted; name an address with https:`,
        field,
      );
    }
    const address = await this.publicAddress(url.hostname.replace(/^\[|\]$/g, ''), field);
    const request = url.protocol === 'https:' ? requestHttps : requestHttp;
    return new Promise((resolve, reject) => {
      const family = isIP(address);
      const sent = request(url, {
        // the address that was checked, whatever the name means by now
        lookup: (_host, options, answer) => {
          if (options.all) answer(null, [{ address, family }]);
          else answer(null, address, family);
        },
        timeout: TIMEOUT_MS,
        agent: false,
        signal: AbortSignal.timeout(WHOLE_MS),
      });
      const failed = (reason: string) => reject(unreadable(url.href, field, reason));
      sent.on('response', resolve);
      sent.on('timeout', () => sent.destroy(new Error('it takes too long')));
      sent.on('error', (error) => failed(error.message));
      sent.end();
    });
  }

  private async publicAddress(host: string, field: string): Promise<string> {
    const resolve = this.options.resolve ?? systemAddresses;
    const addresses = isIP(host) ? [host] : await resolve(host).catch(() => []);
    const [address] = addresses;
    if (address === undefined)
      throw badRequest(`${field}: ${host} is not known; check the name`, field);
    if (addresses.some(this.options.isRefused ?? isPrivate)) {
      throw badRequest(
        `${field}: ${host} is an address of this network, which is not accepted; upload the file to /v1/files`,
        field,
      );
    }
    return address;
  }

  private bounded(field: string): Transform {
    const { maxBytes } = this.options;
    let bytes = 0;
    return new Transform({
      transform(chunk: Buffer, _encoding, done) {
        bytes += chunk.length;
        if (bytes <= maxBytes) return done(null, chunk);
        done(
          new HttpError(
            413,
            'too_large',
            `${field}: the file is larger than ${maxBytes} bytes; name a smaller one`,
            { param: field },
          ),
        );
      },
    });
  }
}

const unreadable = (url: string, field: string, reason: string): HttpError =>
  badRequest(
    `${field}: ${new URL(url).host} cannot be read (${reason}); upload the file to /v1/files`,
    field,
  );

/** Where a redirect leads. */
function target(location: string, at: string, field: string): string {
  if (URL.canParse(location, at)) return new URL(location, at).href;
  throw badRequest(
    `${field}: ${at} leads to "${location.slice(0, 100)}", which is no address; name the file itself`,
    field,
  );
}

const systemAddresses = async (host: string): Promise<string[]> =>
  (await lookup(host, { all: true })).map(({ address }) => address);

/** Addresses that are not on the public internet. Source: RFC 6890 and IANA's registries */
// two lists, as one would take every IPv4 address for a mapped one
const PRIVATE = { 4: new BlockList(), 6: new BlockList() };
for (const [address, bits] of [
  ...([
    ['0.0.0.0', 8],
    ['10.0.0.0', 8],
    ['100.64.0.0', 10],
    ['127.0.0.0', 8],
  ] as const),
  ...([
    ['169.254.0.0', 16],
    ['172.16.0.0', 12],
    ['192.0.0.0', 24],
    ['192.0.2.0', 24],
  ] as const),
  ...([
    ['192.168.0.0', 16],
    ['198.18.0.0', 15],
    ['198.51.100.0', 24],
  ] as const),
  ...([
    ['203.0.113.0', 24],
    ['224.0.0.0', 4],
    ['240.0.0.0', 4],
  ] as const),
]) {
  PRIVATE[4].addSubnet(address, bits, 'ipv4');
}
for (const [address, bits] of [
  // of the mapped and translated ones it is not asked what they stand for
  ...([
    ['::', 96],
    ['::ffff:0:0', 96],
    ['64:ff9b::', 96],
    ['100::', 64],
  ] as const),
  ...([
    ['2001::', 23],
    ['2001:db8::', 32],
    ['2002::', 16],
    ['fc00::', 7],
  ] as const),
  ...([
    ['fe80::', 10],
    ['fec0::', 10],
    ['ff00::', 8],
  ] as const),
]) {
  PRIVATE[6].addSubnet(address, bits, 'ipv6');
}

export const isPrivate = (address: string): boolean =>
  isIP(address) === 6 ? PRIVATE[6].check(address, 'ipv6') : PRIVATE[4].check(address, 'ipv4');
