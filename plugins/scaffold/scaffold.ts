// `mesh plugin new`: a plugin's folder that builds and tests as it is. What it holds lies in templates/: files of its language
// over those that all have, and those of a filter of connections over both; NAME.txt becomes NAME, and {{name}} what the plugin is called.
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';

export type Language = 'assemblyscript' | 'rust' | 'go';
/** What it filters: requests, or connections; the latter in AssemblyScript. */
export type Filtered = 'http' | 'network';

export interface ScaffoldOptions {
  /** Lower-case letters, digits, dashes. */
  readonly name: string;
  readonly language: Language;
  readonly type: Filtered;
  /** Made when it is not there. */
  readonly folder: string;
  /** Version of this mesh, which the package then needs. */
  readonly weftVersion: string;
}

/** The folder has something in it already. */
export class FolderNotEmpty extends Error {}

const TEMPLATES = join(import.meta.dirname, 'templates');
const SOURCE = { assemblyscript: 'filter.ts', rust: 'src/lib.rs', go: 'main.go' } as const;
const BUILT = {
  assemblyscript: 'build/release.wasm, and build/debug.wasm with names for traps, each with its source map',
  rust: 'build/release.wasm, by cargo (rustup target add wasm32-wasip1)',
  go: 'build/release.wasm, by Go 1.24 or newer',
} as const;
/** Of the module that the templates become; what a language's runtime and SDK bring along is among it. */
const OF_SDK = ['read_headers', 'change_headers', 'read_bodies', 'read_data', 'environment', 'random', 'log'] as const;
const CAPABILITIES = {
  assemblyscript: ['read_headers', 'change_headers', 'log'],
  rust: OF_SDK,
  go: OF_SDK,
} as const;
const COMPILER = '0.28.20';

const CONNECTIONS = {
  description: 'Connections begin with a preface, which is taken off them, or are ended.',
  capabilities: ['read_data', 'change_data', 'log'],
  defaultConfig: { preface: 'HELLO ' },
} as const;

function requests(name: string, language: Language) {
  return {
    description: 'Responses get a header, unless they have it.',
    capabilities: CAPABILITIES[language],
    defaultConfig: { header: `x-${name}`, value: `hello from ${name}` },
  } as const;
}

/** Paths of what was written, from the folder. Throws FolderNotEmpty, and then writes nothing. */
export async function scaffold(options: ScaffoldOptions): Promise<string[]> {
  const { name, language, type, folder } = options;
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length > 0) throw new FolderNotEmpty(`${folder} is not empty`);
  const values: Readonly<Record<string, string>> = {
    name,
    Name: name.replace(/(^|-)([a-z0-9])/g, (_, _dash, letter: string) => letter.toUpperCase()).replace(/^\d/, 'F$&'),
    header: `x-${name}`,
    source: SOURCE[language],
    built: BUILT[language],
  };
  const filled = (text: string): string =>
    text.replaceAll(/\{\{(\w+)\}\}/g, (whole, key: string) => values[key] ?? whole);
  const files = new Map<string, string>([['package.json', packageJson(options)]]);
  for (const template of ['common', language, ...(type === 'network' ? [type] : [])]) {
    const from = join(TEMPLATES, template);
    for (const entry of await readdir(from, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const file = join(entry.parentPath, entry.name);
      const path = filled(relative(from, file).replace(/\.txt$/, '')).replace(/^gitignore$/, '.gitignore');
      files.set(path, filled(await readFile(file, 'utf8')));
    }
  }
  for (const [path, text] of files) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  return [...files.keys()].sort();
}

function packageJson({ name, language, type, weftVersion }: ScaffoldOptions): string {
  const filter = type === 'network' ? CONNECTIONS : requests(name, language);
  const compiler = language === 'assemblyscript' ? { assemblyscript: COMPILER } : {};
  return `${JSON.stringify(
    {
      name: `mesh-plugin-${name}`,
      version: '0.1.0',
      description: filter.description,
      keywords: ['mesh-plugin'],
      files: ['build/release.wasm', 'schema.json', 'README.md'],
      scripts: {
        build: 'mesh plugin build',
        test: 'mesh plugin test --build',
        dev: 'mesh plugin dev',
        prepack: 'mesh plugin build',
      },
      mesh: {
        plugin: {
          name,
          wasm: 'build/release.wasm',
          schema: 'schema.json',
          type,
          capabilities: filter.capabilities,
          defaultConfig: filter.defaultConfig,
        },
      },
      devDependencies: { '@weft-mesh/weft': `^${weftVersion}`, ...compiler },
    },
    null,
    2,
  )}\n`;
}
