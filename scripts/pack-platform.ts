/**
 * Makes the package that brings the addon of build/ to machines like this one, mfm-linux-x64-0.2.0.tgz:
 *
 *     npm run pack:platform [FOLDER]     # default: build/npm
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ADDON, buildRecord, platform, platformPackage, RECORD } from '../src/files/addon.js';
import { fromRoot, packageVersion } from '../src/files/package-root.js';

/** Writes the tarball into `folder`; returns its path. @throws Error if setup has not built an addon */
export function packPlatform(folder: string): string {
  const record = buildRecord(fromRoot(`build/${ADDON}`));
  if (record === null) throw new Error('build/: holds no addon; run `make setup`');
  const content = fromRoot(`build/npm/${platform}`);
  rmSync(content, { recursive: true, force: true });
  mkdirSync(content, { recursive: true });
  mkdirSync(folder, { recursive: true });
  for (const name of [ADDON, RECORD]) copyFileSync(fromRoot(`build/${name}`), join(content, name));
  copyFileSync(fromRoot('LICENSE'), join(content, 'LICENSE'));
  writeFileSync(
    join(content, 'README.md'),
    `# ${platformPackage(platform)}\n\nThe native addon of mfm ${packageVersion} for ${platform} and LibTorch ${record.version}.\n`,
  );
  writeFileSync(join(content, 'package.json'), JSON.stringify(manifest(record.version), null, 2));
  const words = ['pack', '--silent', '--pack-destination', resolve(folder)];
  const name = execFileSync('npm', words, { cwd: content, encoding: 'utf8' }).trim();
  return join(resolve(folder), name);
}

function manifest(libTorch: string): object {
  const { license } = JSON.parse(readFileSync(fromRoot('package.json'), 'utf8')) as {
    license: string;
  };
  return {
    name: platformPackage(platform),
    version: packageVersion,
    description: `The native addon of mfm for ${platform} and LibTorch ${libTorch}`,
    license,
    os: [process.platform],
    cpu: [process.arch],
    ...(process.platform === 'linux' && { libc: ['glibc'] }),
    main: ADDON,
    files: [ADDON, RECORD],
    // the system's loader needs a file, not a part of an archive
    preferUnplugged: true,
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  console.log(packPlatform(process.argv[2] ?? fromRoot('build/npm')));
}
