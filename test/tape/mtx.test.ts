import test from 'ava';
import fc from 'fast-check';
import { parseMtxFailure, parseMtxStatus } from '../../src/tape/mtx.ts';
import { requestSense } from './mtx-output.ts';

/* As mtx 1.3 prints it for two drives, five slots and one for import and export; the blanks are its own. */
const library = `  Storage Changer /dev/sg6:2 Drives, 6 Slots ( 1 Import/Export )
Data Transfer Element 0:Empty
Data Transfer Element 1:Full (Storage Element 2 Loaded):VolumeTag = LIB002L8                        
      Storage Element 1:Full :VolumeTag=LIB001L8                        
      Storage Element 2:Empty:VolumeTag=                                
      Storage Element 3:Full :VolumeTag=LIB003L8                        
      Storage Element 4:Empty:VolumeTag=                                
      Storage Element 5:Empty:VolumeTag=                                
      Storage Element 6 IMPORT/EXPORT:Full :VolumeTag=LIB004L8                        
`;

function slot(number: number, barcode: string | null, importExport = false): unknown {
  return { number, full: barcode !== null, barcode, importExport };
}

test('the status of a library', (t) => {
  t.deepEqual(parseMtxStatus(library), {
    drives: [
      { number: 0, full: false, barcode: null, from: null },
      { number: 1, full: true, barcode: 'LIB002L8', from: 2 },
    ],
    slots: [
      slot(1, 'LIB001L8'),
      slot(2, null),
      slot(3, 'LIB003L8'),
      slot(4, null),
      slot(5, null),
      slot(6, 'LIB004L8', true),
    ],
  });
});

test('libraries without barcodes, with odd ones, and with cartridges of unknown origin', (t) => {
  const status = parseMtxStatus(`  Storage Changer /dev/changer:3 Drives, 4 Slots ( 0 Import/Export )
Data Transfer Element 0:Full (Unknown Storage Element Loaded)
Data Transfer Element 1:Full (Unknown Storage Element Loaded):VolumeTag = A1:AlternateVolumeTag = B1
Data Transfer Element 2:Full (Storage Element 12 Loaded)
      Storage Element 1:Full 
      Storage Element 2:Full :AlternateVolumeTag=B2
      Storage Element 3:Full :VolumeTag=A 3   :AlternateVolumeTag=B3
      Storage Element 4:Empty:VolumeTag=GONE01L8
`);
  t.deepEqual(
    status.drives.map(({ barcode, from }) => [barcode, from]),
    [
      [null, null],
      ['A1', null],
      [null, 12],
    ],
  );
  t.deepEqual(
    status.slots.map(({ full, barcode }) => [full, barcode]),
    [
      [true, null],
      [true, null],
      [true, 'A 3'],
      [false, null],
    ],
  );
});

test('one drive without a number', (t) => {
  const status = parseMtxStatus(`  Storage Changer /dev/sg2:1 Drives, 1 Slots ( 0 Import/Export )
Data Transfer Element:Full (Storage Element 1 Loaded):VolumeTag = A1
      Storage Element 1:Empty
`);
  t.deepEqual(status.drives, [{ number: 0, full: true, barcode: 'A1', from: 1 }]);
});

test('a text that is no status is refused', (t) => {
  for (const text of ['', 'mtx: what?\n', library.replace('Element 5:Empty', 'Element 5:Odd')]) {
    t.throws(() => parseMtxStatus(text), { code: 'changer-failed' });
  }
  // Cut in the middle.
  t.throws(() => parseMtxStatus(library.slice(0, 300)), { code: 'changer-failed' });
});

const name = fc.stringMatching(/^[A-Z0-9]{6,8}$/);

test('what is printed is what is read', (t) => {
  const place = fc.record({ barcode: fc.option(name), importExport: fc.boolean() });
  fc.assert(
    fc.property(
      fc.array(fc.option(name), { maxLength: 4 }),
      fc.array(place, { maxLength: 9 }),
      (drives, slots) => {
        const text = [
          `  Storage Changer /dev/sg1:${drives.length} Drives, ${slots.length} Slots ( 0 Import/Export )`,
          ...drives.map((code, i) =>
            code === null
              ? `Data Transfer Element ${i}:Empty`
              : `Data Transfer Element ${i}:Full (Storage Element ${i + 1} Loaded):VolumeTag = ${code}`,
          ),
          ...slots.map(
            ({ barcode, importExport }, i) =>
              `      Storage Element ${i + 1}${importExport ? ' IMPORT/EXPORT' : ''}:${barcode === null ? 'Empty' : `Full :VolumeTag=${barcode}`}`,
          ),
        ].join('\n');
        t.deepEqual(parseMtxStatus(text), {
          drives: drives.map((barcode, number) => ({
            number,
            full: barcode !== null,
            barcode,
            from: barcode === null ? null : number + 1,
          })),
          slots: slots.map(({ barcode, importExport }, i) => ({
            number: i + 1,
            full: barcode !== null,
            barcode,
            importExport,
          })),
        });
      },
    ),
  );
});

test('why mtx failed', (t) => {
  t.deepEqual(parseMtxFailure('Drive 1 Full (Storage Element 2 loaded)\n'), {
    said: 'Drive 1 Full (Storage Element 2 loaded)',
    news: false,
    becomingReady: false,
    missing: false,
  });
  t.deepEqual(
    parseMtxFailure(requestSense('Illegal Request', '20', '00', 'READ ELEMENT STATUS Command Failed')),
    {
      said: 'READ ELEMENT STATUS Command Failed: an unknown command',
      news: false,
      becomingReady: false,
      missing: false,
    },
  );
  t.like(parseMtxFailure(requestSense('Unit Attention', '28', '00', 'READ ELEMENT STATUS Command Failed')), {
    news: true,
  });
  t.like(parseMtxFailure(requestSense('Not Ready', '04', '01', 'READ ELEMENT STATUS Command Failed')), {
    becomingReady: true,
  });
  t.like(parseMtxFailure(requestSense('Not Ready', '04', '03', 'READ ELEMENT STATUS Command Failed')), {
    becomingReady: false,
    said: 'READ ELEMENT STATUS Command Failed: a person has to see to it',
  });
  t.true(parseMtxFailure("cannot open SCSI device '/dev/none' - No such file or directory\n").missing);
  t.true(parseMtxFailure('/dev/null is not an sg device, or old sg driver\n').missing);
  t.is(parseMtxFailure('').said, 'nothing');
});
