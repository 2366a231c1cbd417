import { RemetalError } from '../errors/index.ts';

/** What one build's boot menu sets; the menu itself is `iso/grub.cfg`. */
export interface MenuSettings {
  /** The entry that starts by itself. */
  readonly defaultEntry: 'local' | 'menu' | 'unattended' | 'shell';
  readonly timeoutSeconds: number;
  /** Kernel words of every entry that starts the appliance. */
  readonly kernelWords: readonly string[];
  /** Paths on the image of the initramfs segments beside base and agent. */
  readonly segments: readonly string[];
  /** Whether answers are baked in, which is what the unattended entry is shown for. */
  readonly answers: boolean;
}

/** Words GRUB takes as they stand inside double quotes: no quote, dollar, backslash or control character. */
const plainWord = /^[\x21\x23\x25-\x5b\x5d-\x7e]+$/;

/** The text of `settings.cfg`, which `grub.cfg` sources. Throws `usage` for a kernel word that is none. */
export function menuSettings(settings: MenuSettings): string {
  for (const word of settings.kernelWords) {
    if (!plainWord.test(word)) {
      throw new RemetalError(
        'usage',
        `The kernel word ${JSON.stringify(word)} cannot stand in the boot menu`,
        {
          hint: 'Words have no blanks, quotes, dollar signs or backslashes.',
          facts: { word },
        },
      );
    }
  }
  if (settings.defaultEntry === 'unattended' && !settings.answers) {
    throw new RemetalError('usage', 'The unattended entry needs an answers file', {
      hint: 'Give one with --answers.',
    });
  }
  if (!Number.isInteger(settings.timeoutSeconds) || settings.timeoutSeconds < 0) {
    throw new RemetalError('usage', 'The pause of the boot menu is a whole number of seconds');
  }
  return [
    `set default=${settings.defaultEntry}`,
    `set timeout=${settings.timeoutSeconds}`,
    `set remetal_words="${settings.kernelWords.join(' ')}"`,
    `set remetal_initrd="${settings.segments.join(' ')}"`,
    `set remetal_answers="${settings.answers ? 'yes' : 'no'}"`,
    '',
  ].join('\n');
}

/**
 * The configuration on the EFI partition: finds the image by a file only this build has, so that
 * another medium with a Debian loader in the machine is not taken for it.
 */
export function efiConfiguration(buildId: string): string {
  return [
    `search --no-floppy --file --set=root /remetal/build-${buildId}`,
    'set prefix=($root)/boot/grub',
    'configfile ($root)/boot/grub/grub.cfg',
    '',
  ].join('\n');
}
