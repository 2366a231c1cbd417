import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const MiB = 1024 * 1024;

/** Makes an empty image file. */
export function blankImage(path: string, size: number): string {
  closeSync(openSync(path, 'w'));
  truncateSync(path, size);
  return path;
}

/**
 * A small disk image in `folder`: GPT, ext4 "root" of 32 MiB that looks like a system, ext4 "data" of
 * 16 MiB with a file of `content` bytes. Made by sfdisk and mke2fs; 64 MiB, sparse.
 */
export function serverImage(folder: string, content = 2 * MiB): string {
  const path = blankImage(join(folder, 'server.raw'), 64 * MiB);
  execFileSync('sfdisk', ['-q', path], {
    input: 'label: gpt\nstart=2048, size=65536, name=root\nstart=67584, size=32768, name=data\n',
    env: withSbin(),
  });
  const root = join(folder, 'root');
  mkdirSync(join(root, 'var/log'), { recursive: true });
  mkdirSync(join(root, 'etc'), { recursive: true });
  writeFileSync(join(root, 'etc/fstab'), 'LABEL=root / ext4 defaults 0 1\n');
  const data = join(folder, 'data');
  mkdirSync(data);
  writeFileSync(join(data, 'noise'), noise(content));
  writeFileSync(join(data, 'words'), 'here they are\n'.repeat(1000));
  for (const [label, tree, offset, size] of [
    ['root', root, 1, 32],
    ['data', data, 33, 16],
  ] as const) {
    execFileSync(
      'mke2fs',
      ['-q', '-t', 'ext4', '-L', label, '-d', tree, '-E', `offset=${offset * MiB}`, path, `${size}M`],
      { env: withSbin() },
    );
  }
  return path;
}

/** Bytes no compressor shortens, the same every time. */
function noise(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 0x2545f491;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state & 255;
  }
  return bytes;
}

function withSbin(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
}
