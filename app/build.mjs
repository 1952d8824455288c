// Builds src/main.tsx and src/style.css into the one HTML file that the package carries, and the licences of what is in
// it. With --check it writes nothing, and fails where the committed files are not what the sources give.
import * as esbuild from 'esbuild';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { minify } from 'terser';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const OUTPUT = path.join(HERE, '../src/gpt_image_2_mcp/studio');
const MAX_BYTES = 64_000;
const MAX_GZIPPED = 24_000;

// What hosts forbid or a reader of the file would have to wonder about: addresses, code made of text, storage, forms,
// and pictures by address.
const FORBIDDEN = [
  [/https?:\/\/(?!www\.w3\.org\/)[^\s"'`]*/, 'an address'],
  [/\beval\(|\bnew Function\b|\bFunction\(/, 'code made of text'],
  [/\b(?:local|session)Storage\b|\bindexedDB\b|document\.cookie/, 'storage'],
  [/<form|jsxs?\("form"/, 'a form'],
  [/<img|jsxs?\("img"/, 'an img element'],
  [/\bfetch\(|XMLHttpRequest|WebSocket\(|\bimport\(/, 'a request to the network'],
];

async function build() {
  const script = await esbuild.build({
    absWorkingDir: HERE,
    entryPoints: ['src/main.tsx'],
    bundle: true,
    minify: true,
    format: 'iife',
    target: 'es2022',
    // Smaller than the functions of `preact/jsx-runtime`, which the types name.
    jsx: 'transform',
    jsxFactory: 'h',
    jsxFragment: 'Fragment',
    inject: ['src/jsx.ts'],
    tsconfigRaw: '{}',
    legalComments: 'none',
    charset: 'utf8',
    metafile: true,
    write: false,
  });
  // Spaces within custom properties stay otherwise.
  const style = await esbuild.transform(fs.readFileSync(path.join(HERE, 'src/style.css'), 'utf8'), {
    loader: 'css',
    minify: true,
    target: 'es2022',
  });
  // Its second pass is worth a tenth of what is ours.
  const { code: small } = await minify(script.outputFiles[0].text, {
    ecma: 2020,
    compress: { ecma: 2020, passes: 3, toplevel: true, unsafe_arrows: true },
    mangle: { toplevel: true },
  });
  const code = small.trim().replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--');
  const page =
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n' +
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>Studio</title>\n' +
    `<style>${style.code.trim().replace(/([:,]) /g, '$1')}</style>\n</head>\n<body>\n<script>${code}</script>\n</body>\n</html>\n`;
  return { page, inputs: Object.values(script.metafile.outputs)[0].inputs };
}

function packagesOf(inputs) {
  const found = {};
  for (const [file, { bytesInOutput }] of Object.entries(inputs)) {
    const name = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? 'src';
    found[name] = (found[name] ?? 0) + bytesInOutput;
  }
  return found;
}

function licencesOf(packages) {
  const parts = Object.keys(packages)
    .filter((name) => name !== 'src')
    .sort()
    .map((name) => {
      const folder = path.join(HERE, 'node_modules', name);
      const { version } = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
      const file = fs.readdirSync(folder).find((each) => /licen[cs]e(?:\.\w+)?$/i.test(each));
      return `${name} ${version}\n\n${fs.readFileSync(path.join(folder, file), 'utf8').trim()}\n`;
    });
  return `studio.html contains these packages. Their sources are not changed.\n\n${parts.join('\n\n')}`;
}

function faultsOf(page) {
  const bytes = Buffer.byteLength(page);
  const gzipped = gzipSync(page, { level: 9 }).length;
  const faults = [];
  if (bytes > MAX_BYTES) faults.push(`the page has ${bytes} bytes; at most ${MAX_BYTES} are allowed`);
  if (gzipped > MAX_GZIPPED) faults.push(`the page has ${gzipped} bytes gzipped; at most ${MAX_GZIPPED} are allowed`);
  for (const [pattern, what] of FORBIDDEN) {
    const match = pattern.exec(page);
    if (match) faults.push(`the page holds ${what}: ${match[0].slice(0, 80)}`);
  }
  console.log(`studio.html: ${bytes} bytes, ${gzipped} gzipped`);
  return faults;
}

const { page, inputs } = await build();
const packages = packagesOf(inputs);
const faults = faultsOf(page);
const files = { 'studio.html': page, 'studio.LICENSES.txt': licencesOf(packages) };
for (const [name, text] of Object.entries(files)) {
  const file = path.join(OUTPUT, name);
  if (!process.argv.includes('--check')) {
    fs.mkdirSync(OUTPUT, { recursive: true });
    fs.writeFileSync(file, text);
  } else if (!fs.existsSync(file) || fs.readFileSync(file, 'utf8') !== text) {
    faults.push(`${name} is not what the sources give: run make app`);
  }
}
if (process.argv.includes('--sizes')) console.log(packages);
for (const fault of faults) console.error(fault);
process.exitCode = faults.length ? 1 : 0;
