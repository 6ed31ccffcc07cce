import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { Fetcher, type FetcherOptions, isPrivate } from '../../../src/server/http/fetch-url.js';
import { temporaryFolder } from '../../temp-folder.js';

const incoming = temporaryFolder();
let server: Server;
let port: number;
before(async () => {
  server = createServer((request, response) => {
    const to = new URL(request.url!, 'http://x').searchParams.get('to');
    if (to) return response.writeHead(302, { location: to }).end();
    if (request.url === '/loop') return response.writeHead(302, { location: '/loop' }).end();
    if (request.url === '/large') return response.end(Buffer.alloc(2000));
    if (request.url === '/half') {
      response.writeHead(200, { 'content-length': '100' }).write('half');
      return response.destroy();
    }
    if (request.url === '/picture.png') return response.end('picture');
    response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
after(() => server.close());

/** In these tests 127.0.0.1 is an address of the internet, and all others are as they are. */
const fetcher = (options: Partial<FetcherOptions> = {}) =>
  new Fetcher({
    incoming,
    allowUrls: true,
    maxBytes: 1000,
    resolve: async (host) =>
      ({
        'public.example': ['127.0.0.1'],
        'inner.example': ['10.0.0.1'],
        'both.example': ['127.0.0.1', '10.0.0.1'],
      })[host] ?? [],
    isRefused: (address) => address !== '127.0.0.1' && isPrivate(address),
    ...options,
  });
const at = (path: string, host = 'public.example') => `http://${host}:${port}${path}`;
const refuses = (url: string, message: RegExp, options?: Partial<FetcherOptions>) =>
  assert.rejects(fetcher(options).fetch(url, 'inputs'), (error: Error) => {
    assert.match(error.message, message);
    return true;
  });

describe('an address in a request', () => {
  test('is read only if the server was started so', async () => {
    await refuses(at('/picture.png'), /^inputs: addresses of other hosts are not accepted here/, {
      allowUrls: false,
    });
    const path = await fetcher().fetch(at('/picture.png'), 'inputs');
    assert.equal(readFileSync(path, 'utf8'), 'picture');
  });

  test('is not one of this network, by name, by number or after a redirect', async () => {
    const inner = /is an address of this network/;
    await refuses(at('/', 'inner.example'), inner);
    await refuses(at('/', 'both.example'), inner);
    await refuses('http://169.254.169.254/latest/meta-data', inner);
    await refuses('http://[::ffff:10.0.0.1]/', inner);
    await refuses('http://2130706434/', inner); // 127.0.0.2
    await refuses(at('/?to=http://inner.example/'), inner);
    await refuses(at(`/?to=${encodeURIComponent('http://192.168.1.1/x')}`), inner);
    await refuses(at('/?to=file:///etc/passwd'), /file: is not accepted/);
    await refuses('ftp://public.example/', /ftp: is not accepted/);
    const path = await fetcher().fetch(at('/?to=/picture.png'), 'inputs');
    assert.equal(readFileSync(path, 'utf8'), 'picture');
  });

  test('is looked up once: what was checked is what is asked', async () => {
    let lookups = 0;
    const resolve = async () => (lookups++ === 0 ? ['127.0.0.1'] : ['10.0.0.1']);
    await fetcher({ resolve }).fetch(at('/picture.png', 'rebinding.example'), 'inputs');
    assert.equal(lookups, 1);
  });

  test('leads to something of a bounded size, soon, and leaves nothing if it does not', async () => {
    const before = readdirSync(incoming);
    await refuses(at('/large'), /larger than 1000 bytes/);
    await refuses(at('/loop'), /more than 3 redirects/);
    await refuses(
      at('/half'),
      /^inputs: public\.example:\d+ cannot be read \(.+\); upload the file/,
    );
    await refuses(at('/?to=http%3A%2F%2F%5B'), /leads to "http:\/\/\[", which is no address/);
    await refuses(at('/none'), /answered with 404/);
    await refuses(at('/', 'unknown.example'), /is not known/);
    await refuses('data:text/html;base64,PGI+', /must be a data URL/);
    await refuses('data:image/png;base64,', /holds nothing/);
    assert.deepEqual(readdirSync(incoming), before);
  });
});

test('addresses of networks that are not the internet are known', () => {
  for (const address of [
    '10.1.2.3',
    '127.0.0.1',
    '0.0.0.0',
    '169.254.1.1',
    '172.31.0.1',
    '192.168.1.1',
    '100.64.0.1',
    '224.0.0.1',
    '::1',
    '::',
    'fe80::1',
    'fd00::1',
    '::ffff:8.8.8.8',
    '64:ff9b::1',
    'ff02::1',
  ]) {
    assert.ok(isPrivate(address), address);
  }
  for (const address of ['8.8.8.8', '1.1.1.1', '172.32.0.1', '2606:4700::1111', '2a00:1450::1']) {
    assert.ok(!isPrivate(address), address);
  }
});
