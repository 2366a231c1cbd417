import test from 'ava';
import { memoryMedium } from '../../src/medium/index.ts';
import { contract } from '../contract/medium.ts';

contract('memory', async (partSize) => ({
  medium: memoryMedium(partSize === null ? {} : { partSize }),
  remove: async () => {},
}));

test('parts too small to hold anything are refused', (t) => {
  t.throws(() => memoryMedium({ partSize: 1000 }), { code: 'usage' });
});
