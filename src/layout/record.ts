import { RemetalError } from '../errors/index.ts';
import { layoutSchema, type Layout } from './layout.ts';

const version = 1;

/**
 * Reads a layout record (the parsed JSON of it).
 *
 * @throws `layout-unknown` when it is of another version or does not follow the schema.
 */
export function parseLayout(json: unknown): Layout {
  const found = typeof json === 'object' && json !== null && 'version' in json ? json.version : undefined;
  if (found !== version) {
    throw new RemetalError(
      'layout-unknown',
      `The layout record has version ${describe(found)}, not ${version}`,
      {
        hint: 'Use a newer Remetal.',
        facts: { version: found ?? null },
      },
    );
  }
  const parsed = layoutSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.slice(0, 5).map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new RemetalError(
    'layout-unknown',
    `The layout record does not follow its schema: ${issues.join('; ')}`,
    {
      facts: { issues },
      cause: parsed.error,
    },
  );
}

function describe(value: unknown): string {
  return value === undefined ? 'none' : JSON.stringify(value).slice(0, 40);
}
