import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BundledPackage } from './agent.ts';
import { buildEpoch } from './epoch.ts';
import type { UnpackedPackage } from './packages.ts';

/** A file of the build with its SHA-256, hex. */
export interface BuiltFile {
  readonly name: string;
  readonly sha256: string;
}

export interface SbomRequest {
  readonly name: string;
  readonly packages: readonly UnpackedPackage[];
  readonly bundled: readonly BundledPackage[];
  readonly files: readonly BuiltFile[];
  /** Version of Remetal itself. */
  readonly version: string;
}

/** The licences a Debian copyright file names, in its own short names (DEP 5), sorted; empty when it is prose. */
export function licencesNamed(copyright: string): string[] {
  if (!/^Format:/m.test(copyright)) return [];
  const names = [...copyright.matchAll(/^License:[ \t]*(\S.*)$/gm)].map((match) => match[1]!.trim());
  return [...new Set(names)].toSorted();
}

/** Where a package keeps its copyright file; null when it points into another package. */
export function copyrightOf(unpacked: UnpackedPackage): string {
  return join(unpacked.folder, 'usr/share/doc', unpacked.name, 'copyright');
}

function identifier(text: string): string {
  return `SPDXRef-${text.replaceAll(/[^A-Za-z0-9.-]/g, '-')}`;
}

/** An element of the document; SPDX 2.3, clauses 7 and 8, says what else it has. */
interface Element {
  readonly SPDXID: string;
  readonly [field: string]: unknown;
}

/** The whole document; clause 6. */
export interface Sbom {
  readonly spdxVersion: string;
  readonly packages: readonly Element[];
  readonly files: readonly Element[];
  readonly relationships: readonly {
    readonly spdxElementId: string;
    readonly relationshipType: string;
    readonly relatedSpdxElement: string;
  }[];
  readonly [field: string]: unknown;
}

async function debianPackage(unpacked: UnpackedPackage): Promise<Element> {
  const named = licencesNamed(await readFile(copyrightOf(unpacked), 'utf8').catch(() => ''));
  const version = encodeURIComponent(unpacked.version);
  return {
    SPDXID: identifier(`deb-${unpacked.name}`),
    name: unpacked.name,
    versionInfo: unpacked.version,
    supplier: 'Organization: Debian',
    downloadLocation: 'NOASSERTION',
    ...(unpacked.homepage === null ? {} : { homepage: unpacked.homepage }),
    filesAnalyzed: false,
    checksums: [{ algorithm: 'SHA256', checksumValue: unpacked.sha256 }],
    sourceInfo: `Debian source package ${unpacked.source}`,
    licenseConcluded: 'NOASSERTION',
    licenseDeclared: 'NOASSERTION',
    ...(named.length === 0 ? {} : { licenseComments: `The copyright file names ${named.join('; ')}` }),
    copyrightText: 'NOASSERTION',
    externalRefs: [
      {
        referenceCategory: 'PACKAGE-MANAGER',
        referenceType: 'purl',
        referenceLocator: `pkg:deb/debian/${unpacked.name}@${version}?arch=${unpacked.architecture}`,
      },
    ],
  };
}

function npmPackage(bundled: BundledPackage): Element {
  return {
    SPDXID: identifier(`npm-${bundled.name}`),
    name: bundled.name,
    versionInfo: bundled.version,
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    licenseConcluded: 'NOASSERTION',
    licenseDeclared: bundled.licence ?? 'NOASSERTION',
    copyrightText: 'NOASSERTION',
    externalRefs: [
      {
        referenceCategory: 'PACKAGE-MANAGER',
        referenceType: 'purl',
        referenceLocator: `pkg:npm/${bundled.name.replace('@', '%40')}@${bundled.version}`,
      },
    ],
  };
}

/** The list of what is in an image: an SPDX 2.3 document (spdx.github.io/spdx-spec/v2.3), the same for the same image. */
export async function sbom(request: SbomRequest): Promise<Sbom> {
  const root = identifier('appliance');
  const packages: Element[] = [
    {
      SPDXID: root,
      name: 'remetal-appliance',
      versionInfo: request.version,
      downloadLocation: 'NOASSERTION',
      filesAnalyzed: false,
      licenseConcluded: 'NOASSERTION',
      licenseDeclared: 'Apache-2.0',
      copyrightText: 'NOASSERTION',
    },
    ...(await Promise.all(request.packages.map(debianPackage))),
    ...request.bundled.map(npmPackage),
  ];
  const files: Element[] = request.files.map((file) => ({
    SPDXID: identifier(`file-${file.name}`),
    fileName: `./${file.name}`,
    checksums: [{ algorithm: 'SHA256', checksumValue: file.sha256 }],
    licenseConcluded: 'NOASSERTION',
    copyrightText: 'NOASSERTION',
  }));
  const contained = [...packages.slice(1), ...files].map((item) => item.SPDXID);
  return {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: request.name,
    documentNamespace: `urn:remetal:appliance:${request.files.map((file) => file.sha256.slice(0, 16)).join(':')}`,
    creationInfo: {
      created: new Date(buildEpoch() * 1000).toISOString().replace('.000', ''),
      creators: [`Tool: remetal-${request.version}`],
    },
    packages,
    files,
    relationships: [
      { spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: root },
      ...contained.map((item) => ({
        spdxElementId: root,
        relationshipType: 'CONTAINS',
        relatedSpdxElement: item,
      })),
    ],
  };
}
