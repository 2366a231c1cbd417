import test from 'ava';
import { screenBytes, screenText, withoutEscapes } from '../../src/drill/console-text.ts';
import { failureIn, loginPrompt, timedOut, type FailureCode } from '../../src/drill/signs.ts';

const dead: readonly (readonly [text: string, code: FailureCode, quoted: RegExp])[] = [
  ['Booting from Hard Disk...\nNo bootable device.\n', 'no-boot-loader', /No bootable device/],
  ['BdsDxe: No bootable option or device was found.\r\n', 'no-boot-loader', /BdsDxe/],
  ['UEFI Interactive Shell v2.2\r\nEDK II\r\nShell> ', 'no-boot-loader', /UEFI Interactive Shell/],
  ['\nMissing operating system', 'no-boot-loader', /Missing operating system/],
  ['error: no such device: 7f1e.\r\ngrub rescue> ', 'boot-loader-stuck', /no such device: 7f1e/],
  ['GRUB  version 2.06\r\ngrub> ', 'boot-loader-stuck', /grub>/],
  ['[ 1.2] Kernel panic - not syncing: VFS: Unable to mount root fs', 'kernel-panic', /VFS: Unable/],
  ['ALERT!  UUID=1b2c does not exist.  Dropping to a shell!', 'no-root', /UUID=1b2c/],
  ['\r\n(initramfs) ', 'no-root', /initramfs/],
  ['You are in emergency mode. After logging in', 'emergency-shell', /emergency mode/],
  ['Give root password for maintenance\n(or press', 'emergency-shell', /maintenance/],
];

for (const [text, code, quoted] of dead) {
  test(`told as ${code}: ${text.trim().split(/[\r\n]/)[0]}`, (t) => {
    const failure = failureIn(text);
    t.is(failure?.code, code);
    t.regex(failure?.reason ?? '', quoted);
  });
}

test('what a machine says that goes on is no sign of failure', (t) => {
  for (const text of [
    "error: file `/grub/locale/en.mo' not found.\r\nBooting `Debian'\r\n",
    'BdsDxe: failed to load Boot0001 "UEFI QEMU DVD-ROM": Not Found\r\nBdsDxe: loading Boot0002\r\n',
    'Booting from Hard Disk...\nGRUB loading.\nWelcome to GRUB!',
    '[  OK  ] Reached target multi-user.target - Multi-User System.',
    '',
  ]) {
    t.is(failureIn(text), null, text);
  }
});

test('a login prompt is one on a line of its own', (t) => {
  t.regex('Debian GNU/Linux 12 web1 ttyS0\r\n\r\nweb1 login: ', loginPrompt);
  t.regex('\nweb1 login: [   12.3] random: crng init done', loginPrompt);
  t.notRegex('Starting systemd-logind.service - User Login Management...', loginPrompt);
  t.notRegex('Last login: Mon', /^$/);
});

test('when the time is up, it is said what came last and what to do where nothing came', (t) => {
  const spoke = timedOut({ seconds: 60, serial: 'a\r\nb\r\n', screen: null });
  t.is(spoke.code, 'timed-out');
  t.regex(spoke.reason, /60 s.*"b"/);
  const silent = timedOut({ seconds: 60, serial: '\r\n', screen: null });
  t.is(silent.code, 'silent');
  t.regex(silent.reason, /picture.*ttyS0.*--probe/);
  t.regex(timedOut({ seconds: 60, serial: '', screen: 'x\nC:\\>' }).reason, /C:\\>/);
  const stuck = timedOut({ seconds: 60, serial: '', screen: 'SeaBIOS\n\nBooting from Hard Disk...\n' });
  t.is(stuck.code, 'boot-loader-stuck');
  t.regex(stuck.reason, /Booting from Hard Disk/);
});

test('a screen in text mode is read, and one in graphics is not', (t) => {
  const memory = Buffer.alloc(screenBytes);
  for (let at = 0; at < screenBytes; at += 2) memory.writeUInt16LE(0x0720, at);
  for (const [index, letter] of 'No bootable device.'.split('').entries()) {
    memory.write(letter, (2 * 80 + index) * 2, 'latin1');
  }
  // A frame of the code page.
  memory.writeUInt16LE(0x07c9, 0);
  t.is(screenText(memory), '\n\nNo bootable device.');
  t.is(screenText(Buffer.alloc(screenBytes)), null);
  t.is(screenText(Buffer.alloc(screenBytes, 0xff)), null);
  t.is(screenText(Buffer.alloc(10, 0x41)), null);
});

test('what moves a cursor is taken out of a serial line', (t) => {
  t.is(withoutEscapes('\u001b[0m\u001b[2J\u001b[01;01Hgrub\u001b(B> \u0007'), 'grub> ');
});
