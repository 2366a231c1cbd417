import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { licencesNamed, sbom } from '../../src/appliance/sbom.ts';
import { temporary } from '../helpers/temporary.ts';

const machineReadable = [
  'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/',
  '',
  'Files: *',
  'Copyright: 2001 Somebody',
  'License: GPL-2+',
  ' A text.',
  '',
  'Files: lib/*',
  'License: LGPL-2.1+ or BSD-3-clause',
].join('\n');

test('licence names come from machine-readable copyright files only', (t) => {
  t.deepEqual(licencesNamed(machineReadable), ['GPL-2+', 'LGPL-2.1+ or BSD-3-clause']);
  t.deepEqual(licencesNamed('This package is under\nLicense: whatever\n'), []);
});

test('the document is SPDX 2.3, names every part once and is the same twice', async (t) => {
  const folder = temporary(t);
  mkdirSync(join(folder, 'usr/share/doc/kmod'), { recursive: true });
  writeFileSync(join(folder, 'usr/share/doc/kmod/copyright'), machineReadable);
  const request = {
    name: 'remetal.iso',
    version: '0.1.0',
    packages: [
      {
        name: 'kmod',
        version: '30+20221128-1',
        architecture: 'amd64',
        source: 'kmod',
        homepage: null,
        sha256: 'a'.repeat(64),
        size: 1,
        folder,
      },
    ],
    bundled: [{ name: '@scope/thing', version: '1.0.0', licence: 'MIT' }],
    files: [{ name: 'remetal.iso', sha256: 'b'.repeat(64) }],
  };
  const document = await sbom(request);
  t.is(document.spdxVersion, 'SPDX-2.3');
  const identifiers = document.packages.map((item) => item.SPDXID);
  t.deepEqual(identifiers, ['SPDXRef-appliance', 'SPDXRef-deb-kmod', 'SPDXRef-npm--scope-thing']);
  for (const identifier of identifiers) t.regex(identifier, /^SPDXRef-[A-Za-z0-9.-]+$/);
  t.is(
    document.packages[1]!['licenseComments'],
    'The copyright file names GPL-2+; LGPL-2.1+ or BSD-3-clause',
  );
  t.is(document.packages[2]!['licenseDeclared'], 'MIT');
  t.deepEqual(document.files[0]!['checksums'], [{ algorithm: 'SHA256', checksumValue: 'b'.repeat(64) }]);
  t.deepEqual(
    document.relationships.map((relation) => relation.relatedSpdxElement),
    [...identifiers, 'SPDXRef-file-remetal.iso'],
  );
  t.deepEqual(await sbom(request), document);
});
