import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { defaultCache } from '../../src/appliance/index.ts';
import { gather, type Ingredients } from '../../src/appliance/ingredients.ts';
import { dependenciesOf, parseControl, type Paragraph } from '../../src/appliance/lists.ts';
import { cached, keyOf, run } from '../harness/index.ts';

/** A kernel as its packages have it, unpacked. */
export interface GuestKernel {
  /** `6.1.0-56-amd64` */
  readonly release: string;
  readonly vmlinuz: string;
  /** The folder of its modules. */
  readonly modules: string;
}

/** What a guest is made from, fetched as for the appliance. */
export async function applianceIngredients(): Promise<Ingredients> {
  const source = resolve(import.meta.dirname, '../..');
  return await gather({ cache: defaultCache(), source, refresh: false, onStep: () => {} });
}

/** The appliance's own kernel. */
export function applianceKernel({ kernel, kernelPackage, vmlinuz }: Ingredients): GuestKernel {
  return { release: kernel, vmlinuz, modules: join(kernelPackage.folder, 'lib/modules', kernel) };
}

/** The newest kernel that Debian builds for its stable release. */
const suite = 'trixie-backports';
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

/* apt with a state of its own: neither root nor the machine's package state is needed or touched. */
class Apt {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async prepare(): Promise<void> {
    const folder = this.#folder;
    const targets = ['indextargets', '--format', '$(REPO_URI) $(COMPONENT)', 'Created-By: Packages'];
    const archive = (await run('apt-get', targets))
      .split('\n')
      .find((line) => /\/debian\/? main$/.test(line));
    if (archive === undefined) throw new Error('the package sources of this machine name no Debian archive');
    await mkdir(join(folder, 'lists/partial'), { recursive: true });
    await mkdir(join(folder, 'cache/archives/partial'), { recursive: true });
    await writeFile(join(folder, 'status'), '');
    await writeFile(
      join(folder, 'sources.list'),
      `deb [signed-by=${keyring}] ${archive.split(' ')[0]} ${suite} main\n`,
    );
    await writeFile(
      join(folder, 'apt.conf'),
      [
        `Dir::Etc::sourcelist "${folder}/sources.list";`,
        'Dir::Etc::sourceparts "-";',
        `Dir::State "${folder}";`,
        `Dir::State::lists "${folder}/lists";`,
        `Dir::State::status "${folder}/status";`,
        `Dir::Cache "${folder}/cache";`,
        'APT::Architecture "amd64";',
        'APT::Architectures { "amd64"; };',
        'APT::Sandbox::User "root";',
        'APT::Update::Error-Mode "any";',
        'Acquire::Languages "none";',
        'Acquire::Retries "3";',
        '#clear APT::Update::Post-Invoke;',
        '#clear APT::Update::Post-Invoke-Success;',
        '',
      ].join('\n'),
    );
    await run('apt-get', ['-q', '-c', join(folder, 'apt.conf'), 'update']);
  }

  async show(...names: readonly string[]): Promise<Paragraph[]> {
    const words = ['-c', join(this.#folder, 'apt.conf'), 'show', '--no-all-versions', ...names];
    return parseControl(await run('apt-cache', words));
  }

  async unpack(names: readonly string[], into: string): Promise<void> {
    const folder = join(this.#folder, 'packages');
    await mkdir(folder);
    const words = ['-q', '-c', join(this.#folder, 'apt.conf'), 'download', ...names];
    await run('env', ['-C', folder, 'apt-get', ...words]);
    for (const name of await readdir(folder)) await run('dpkg-deb', ['-x', join(folder, name), into]);
  }
}

/**
 * The kernel of Debian's backports. Throws an `Error` that says why it cannot be had: kernels leave the archive
 * when the next one comes.
 */
export async function backportsKernel(): Promise<GuestKernel> {
  const work = await mkdtemp(join(tmpdir(), 'remetal-kernel-'));
  try {
    const apt = new Apt(work);
    await apt.prepare();
    const [meta] = await apt.show('linux-image-amd64');
    const image = meta && dependenciesOf(meta).find((name) => name.startsWith('linux-image-'));
    if (image === undefined) throw new Error(`${suite} has no linux-image-amd64`);
    // Newer kernels are in several packages, and the image only names them.
    const [shown] = await apt.show(image);
    const parts = shown === undefined ? [] : dependenciesOf(shown);
    const names = [image, ...parts.filter((name) => /^linux-(base|binary|modules)-/.test(name))];
    const release = image.slice('linux-image-'.length);
    const version = shown?.get('Version') ?? '';
    const folder = await cached('guest-kernel', keyOf(version, ...names), async (growing) => {
      // Unpacking gives the folder itself the age it has in the package.
      await apt.unpack(names, join(growing, 'root'));
    });
    return await kernelIn(join(folder, 'root'), release);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function kernelIn(folder: string, release: string): Promise<GuestKernel> {
  for (const modules of [join(folder, 'usr/lib/modules', release), join(folder, 'lib/modules', release)]) {
    const names = await readdir(modules).catch((): string[] => []);
    if (names.length === 0) continue;
    const vmlinuz = names.includes('vmlinuz')
      ? join(modules, 'vmlinuz')
      : join(folder, `boot/vmlinuz-${release}`);
    return { release, vmlinuz, modules };
  }
  throw new Error(`the packages of kernel ${release} bring no modules`);
}
