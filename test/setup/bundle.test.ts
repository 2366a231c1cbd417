import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { temporary } from '../helpers/temporary.ts';

const top = resolve(import.meta.dirname, '..', '..');

interface Tree {
  readonly folder: string;
  /** Writes a source, as old as the second says. */
  readonly write: (name: string, text: string, second: number) => void;
  /** What the script says to start. */
  readonly asked: () => string;
}

function tree(t: ExecutionContext): Tree {
  const folder = temporary(t);
  mkdirSync(join(folder, 'setup'));
  mkdirSync(join(folder, 'src', 'cli'), { recursive: true });
  copyFileSync(join(top, 'setup', 'bundle.sh'), join(folder, 'setup', 'bundle.sh'));
  symlinkSync(join(top, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package-lock.json'), '');
  return {
    folder,
    write: (name, text, second) => {
      const path = join(folder, 'src', 'cli', name);
      writeFileSync(path, text);
      utimesSync(path, second, second);
    },
    asked: () => execFileSync(join(folder, 'setup', 'bundle.sh'), { encoding: 'utf8' }).trim(),
  };
}

const said = (path: string): string => execFileSync(process.execPath, [path], { encoding: 'utf8' }).trim();
const soon = (): number => Date.now() / 1000 + 3600;

test('the bundle is made once, and anew when a source has changed', (t) => {
  const { folder, write, asked } = tree(t);
  write('word.ts', "export const word: string = 'one';\n", 1);
  write('main.ts', "import { word } from './word.ts';\nconsole.log(word, import.meta.url);\n", 1);
  const bundle = join(folder, 'dist', 'cli', 'main.mjs');
  t.is(asked(), bundle);
  t.is(said(bundle), `one file://${bundle}`);
  // Not seen by its age, so that it shows whether the bundle was made again.
  write('word.ts', "export const word: string = 'two';\n", 1);
  t.is(asked(), bundle);
  t.regex(said(bundle), /^one/);
  write('word.ts', "export const word: string = 'three';\n", soon());
  t.is(asked(), bundle);
  t.regex(said(bundle), /^three/);
  t.deepEqual(readdirSync(join(folder, 'dist', 'cli')), ['main.mjs']);
});

test('where no bundle can be made the source is started', (t) => {
  const { folder, write, asked } = tree(t);
  write('main.ts', 'this is no program', 1);
  const source = join(folder, 'src', 'cli', 'main.ts');
  t.is(asked(), source);
  t.deepEqual(readdirSync(join(folder, 'dist', 'cli')), []);
  const other = tree(t);
  other.write('main.ts', "console.log('plain');\n", 1);
  // In the way of the folder.
  writeFileSync(join(other.folder, 'dist'), '');
  t.is(other.asked(), join(other.folder, 'src', 'cli', 'main.ts'));
  t.false(existsSync(join(other.folder, 'dist', 'cli')));
});
