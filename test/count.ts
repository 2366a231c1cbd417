/**
 * Reads ava's TAP from standard input, prints the failures with their diagnostics and the skipped
 * tests by name, and ends with `N passed, N failed`.
 */
import { createInterface } from 'node:readline';

let passed = 0;
let failed = 0;
let skipped = 0;
let showing = false;
let sawPlan = false;

for await (const line of createInterface({ input: process.stdin })) {
  const result = /^(not )?ok \d+ - (.*)$/.exec(line);
  if (result !== null) {
    const title = result[2]!;
    showing = result[1] !== undefined;
    if (/# SKIP/i.test(title)) {
      skipped++;
      showing = false;
      console.log(`skipped: ${title}`);
    } else if (showing) {
      failed++;
      console.log(line);
    } else {
      passed++;
    }
  } else if (/^1\.\.\d+/.test(line)) {
    sawPlan = true;
  } else if (showing || line.startsWith('Bail out')) {
    console.log(line);
  }
}

if (!sawPlan) {
  failed++;
  console.log('the test runner ended before it had run every test');
}
if (skipped > 0) console.log(`${skipped} skipped`);
console.log(`${passed} passed, ${failed} failed`);
