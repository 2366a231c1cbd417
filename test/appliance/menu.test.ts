import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { efiConfiguration, menuSettings } from '../../src/appliance/menu.ts';
import { isCoded } from '../../src/errors/index.ts';
import { run } from '../../src/system/index.ts';
import { requires } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';

const plain = {
  defaultEntry: 'local',
  timeoutSeconds: 15,
  kernelWords: [],
  segments: [],
  answers: false,
} as const;
const menu = readFileSync(new URL('../../iso/grub.cfg', import.meta.url), 'utf8');

test('without answers the local disk starts by itself and nothing is unattended', (t) => {
  t.is(
    menuSettings(plain),
    [
      'set default=local',
      'set timeout=15',
      'set remetal_words=""',
      'set remetal_initrd=""',
      'set remetal_answers="no"',
      '',
    ].join('\n'),
  );
});

test('with answers the unattended entry is named and its segment loaded', (t) => {
  const text = menuSettings({
    defaultEntry: 'unattended',
    timeoutSeconds: 10,
    kernelWords: ['remetal.wait=120', 'remetal.set=label:BACKUP/web1', 'console=ttyS1,115200n8'],
    segments: ['/remetal/answers.img'],
    answers: true,
  });
  t.true(text.includes('set default=unattended\n'));
  t.true(
    text.includes(
      'set remetal_words="remetal.wait=120 remetal.set=label:BACKUP/web1 console=ttyS1,115200n8"\n',
    ),
  );
  t.true(text.includes('set remetal_initrd="/remetal/answers.img"\n'));
  t.true(text.includes('set remetal_answers="yes"\n'));
});

test('words that GRUB would read as something else are refused', (t) => {
  for (const word of ['a b', 'a"b', 'a$b', 'a\\b', '', 'a\nb', 'ä']) {
    t.true(
      isCoded(
        t.throws(() => menuSettings({ ...plain, kernelWords: [word] })),
        'usage',
      ),
      word,
    );
  }
});

test('the unattended entry cannot be the default without answers, nor a pause be half a second', (t) => {
  t.true(
    isCoded(
      t.throws(() => menuSettings({ ...plain, defaultEntry: 'unattended' })),
      'usage',
    ),
  );
  t.true(
    isCoded(
      t.throws(() => menuSettings({ ...plain, timeoutSeconds: 0.5 })),
      'usage',
    ),
  );
});

test('every entry that settings can name is in the menu, and only one starts unattended', (t) => {
  for (const id of ['local', 'menu', 'unattended', 'shell']) t.true(menu.includes(`--id ${id} `), id);
  t.is(menu.match(/remetal\.unattended/g)?.length, 1);
  t.true(menu.indexOf('if [ "$remetal_answers" = "yes" ]') < menu.indexOf('remetal.unattended'));
});

requires('grub-script-check')(
  'GRUB reads the menu and what is generated for it',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const texts = [menu, menuSettings(plain), efiConfiguration('0123456789abcdef')];
    for (const [index, text] of texts.entries()) {
      const file = join(folder, `${index}.cfg`);
      writeFileSync(file, text);
      await t.notThrowsAsync(run('grub-script-check', [file]));
    }
  },
);
