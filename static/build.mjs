/**
 * Build everything that the browser loads into build/static/.
 *
 *   static/<app>/<name>.entry.js   -> build/static/<app>/<name>.js   (one module, minified)
 *   static/<app>/assets/**         -> build/static/<app>/**          (copied as it is)
 *   static/core/app.css            -> build/static/core/app.css      (Tailwind, daisyUI, our tokens)
 *   static/core/icons.json         -> build/static/core/icons.svg    (one sprite of Lucide symbols)
 *   the two font families          -> build/static/core/fonts/
 *
 * `node static/build.mjs --watch` rebuilds scripts and styles when a source changes.
 */
import { spawn } from "node:child_process";
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import * as esbuild from "esbuild";

const SOURCES = path.dirname(fileURLToPath(import.meta.url));
const ROOT = path.dirname(SOURCES);
const OUT = path.join(ROOT, "build", "static");
const CORE = path.join(OUT, "core");
const resolve = createRequire(import.meta.url).resolve;

const FONTS = [
  ["inter", "inter-latin-wght-normal"],
  ["inter", "inter-latin-ext-wght-normal"],
  ["source-serif-4", "source-serif-4-latin-wght-normal"],
  ["source-serif-4", "source-serif-4-latin-ext-wght-normal"],
  ["source-serif-4", "source-serif-4-latin-wght-italic"],
  ["source-serif-4", "source-serif-4-latin-ext-wght-italic"],
];

/** Return the folders of static/ that belong to an app. */
async function apps() {
  const found = await readdir(SOURCES, { withFileTypes: true });
  return found.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}

/** Return esbuild's entry points: output name without its ending -> source. */
async function entryPoints() {
  const points = {};
  for (const app of await apps()) {
    for (const file of await readdir(path.join(SOURCES, app))) {
      const name = /^(.+)\.entry\.js$/.exec(file)?.[1];
      if (name) points[`${app}/${name}`] = path.join(SOURCES, app, file);
    }
  }
  return points;
}

async function scriptOptions() {
  return {
    entryPoints: await entryPoints(),
    outdir: OUT,
    bundle: true,
    format: "esm",
    minify: true,
    target: "es2022",
    sourcemap: process.argv.includes("--sourcemap"),
    legalComments: "linked",
    define: { "process.env.NODE_ENV": '"production"' },
    metafile: true,
    logLevel: "warning",
  };
}

/** Run Tailwind's own command: it scans templates/, apps/ and static/ for class names. */
function styles(...more) {
  const cli = path.join(ROOT, "node_modules/@tailwindcss/cli/dist/index.mjs");
  const options = ["-i", path.join(SOURCES, "core/app.css"), "-o", path.join(CORE, "app.css")];
  const child = spawn(process.execPath, [cli, ...options, "--minify", ...more], {
    cwd: ROOT,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk) => {
    said += chunk;
    if (more.length) process.stderr.write(chunk);
  });
  return new Promise((done, fail) => {
    child.on("exit", (code) => (code === 0 ? done() : fail(new Error(`tailwindcss failed\n${said}`))));
  });
}

/** Write the sprite. Colour and stroke come from the class .icon, so one symbol serves every use. */
async function icons() {
  const names = JSON.parse(await readFile(path.join(SOURCES, "core/icons.json"), "utf8"));
  const folder = path.join(ROOT, "node_modules/lucide-static/icons");
  const symbols = await Promise.all(
    names.map(async (name) => {
      const svg = await readFile(path.join(folder, `${name}.svg`), "utf8");
      const shapes = /<svg[^>]*>([\s\S]*)<\/svg>/.exec(svg)[1].replace(/\s*\n\s*/g, "");
      return `<symbol id="${name}" viewBox="0 0 24 24">${shapes}</symbol>`;
    }),
  );
  const sprite = `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>\n`;
  await writeFile(path.join(CORE, "icons.svg"), sprite);
}

async function fonts() {
  await mkdir(path.join(CORE, "fonts"), { recursive: true });
  for (const [family, file] of FONTS) {
    const folder = path.dirname(resolve(`@fontsource-variable/${family}/package.json`));
    await cp(path.join(folder, "files", `${file}.woff2`), path.join(CORE, "fonts", `${file}.woff2`));
  }
}

async function assets() {
  for (const app of await apps()) {
    const from = path.join(SOURCES, app, "assets");
    await cp(from, path.join(OUT, app), { recursive: true }).catch((error) => {
      if (error.code !== "ENOENT") throw error;
    });
  }
}

/** Print what a browser will have to load. */
async function report(metafile) {
  const files = [...Object.keys(metafile.outputs), path.relative(ROOT, path.join(CORE, "app.css"))];
  for (const file of files.filter((name) => /\.(js|css)$/.test(name)).sort()) {
    const bytes = await readFile(path.resolve(ROOT, file));
    const packed = (gzipSync(bytes).length / 1024).toFixed(1);
    console.log(`${packed.padStart(8)} KB gzip  ${path.relative(OUT, path.resolve(ROOT, file))}`);
  }
}

async function build() {
  await mkdir(CORE, { recursive: true });
  const [scripts] = await Promise.all([
    esbuild.build(await scriptOptions()),
    styles(),
    icons(),
    fonts(),
    assets(),
  ]);
  await report(scripts.metafile);
}

async function watch() {
  await build();
  const context = await esbuild.context(await scriptOptions());
  await context.watch();
  await styles("--watch=always");
}

await (process.argv.includes("--watch") ? watch() : build());
