import { cpSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join, relative } from 'node:path';

const top = join(import.meta.dirname, '../..');

/**
 * A copy of this checkout in `folder` with the types taken out of every module: an emulated machine takes minutes
 * to do that for itself each time it starts the program. Modules are named `.js` there.
 */
export function plainJavaScript(folder: string, folders: readonly string[]): void {
  for (const name of folders) {
    for (const entry of readdirSync(join(top, name), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
      const from = join(entry.parentPath, entry.name);
      const to = join(folder, relative(top, from).replace(/\.ts$/, '.js'));
      mkdirSync(dirname(to), { recursive: true });
      const plain = stripTypeScriptTypes(readFileSync(from, 'utf8'));
      writeFileSync(to, plain.replaceAll(/\.ts(?=['"`])/g, '.js'));
    }
  }
  cpSync(join(top, 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(top, 'node_modules'), join(folder, 'node_modules'));
}
