import { isCoded, RemetalError, systemCode } from '../errors/index.ts';

/** A coded error for what the system said about a drive. */
export function driveError(drive: string, error: unknown): RemetalError {
  if (isCoded(error)) return error;
  const code = systemCode(error);
  const details = { facts: { drive, system: code }, cause: error };
  switch (code) {
    case 'EBUSY':
      return new RemetalError('drive-busy', `Another program uses the tape drive ${drive}.`, {
        hint: 'Wait until it is done, or stop it.',
        ...details,
      });
    case 'EAGAIN':
      return new RemetalError(
        'drive-not-ready',
        `The tape drive ${drive} is still taking its cartridge in.`,
        {
          hint: 'Wait until it has.',
          ...details,
        },
      );
    case 'ENOMEDIUM':
      return new RemetalError('drive-empty', `No cartridge is in the tape drive ${drive}.`, details);
    case 'EROFS':
      return new RemetalError('cartridge-protected', `The cartridge in ${drive} is write-protected.`, {
        hint: 'Move the tab of the cartridge, or use another one.',
        ...details,
      });
    case 'ENOENT':
    case 'ENXIO':
    case 'ENODEV':
      return new RemetalError('drive-not-found', `There is no tape drive ${drive}.`, {
        hint: '`remetal tape status` lists the drives of this machine.',
        ...details,
      });
    case 'EACCES':
    case 'EPERM':
      return new RemetalError('not-permitted', `The tape drive ${drive} may not be used by this user.`, {
        hint: 'Run the command as root, or as a member of the group tape.',
        ...details,
      });
    case 'ENOTTY':
      return new RemetalError('drive-not-found', `${drive} is not a tape drive of the kernel's own driver.`, {
        hint: 'A vendor driver may have taken the drive; unload it, and name the drive by /dev/nst….',
        ...details,
      });
    default: {
      const said = error instanceof Error ? error.message : String(error);
      return new RemetalError('drive-failed', `The tape drive ${drive} failed: ${said}.`, {
        hint: '`remetal tape status` says what the drive itself reports.',
        ...details,
      });
    }
  }
}
