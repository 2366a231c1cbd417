import test from 'ava';
import { parseRequest } from '../../qemu-tests/lanes/request.ts';

test('a command line is read', (t) => {
  const words = [
    '--within',
    '60',
    'drill',
    '--except',
    'a',
    '--except=b',
    '--seen',
    'host-backup=143',
    '--lanes=2',
  ];
  t.deepEqual(parseRequest(words), {
    list: false,
    named: ['drill'],
    except: ['a', 'b'],
    lanes: 2,
    within: 60,
    seen: [{ name: 'host-backup', seconds: 143 }],
  });
  t.is(parseRequest([]).within, null);
});

test('what makes no sense is refused', (t) => {
  for (const words of [
    ['--lanes', '0'],
    ['--lanes', 'two'],
    ['--within', 'x'],
    ['--seen', 'drill'],
    ['--all'],
  ]) {
    t.throws(() => parseRequest(words));
  }
});
