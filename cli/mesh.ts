// `mesh`: the first file that runs. It loads nothing before it knows that this Node can load the rest, and then keeps what
// it compiled for the next start.

const OLDEST_NODE = 24;
const LAST_MS = 1_000;

if (Number(process.versions.node.split('.')[0]) < OLDEST_NODE) {
  const { newerNode, runWith } = await import('./newer-node.ts');
  const node = newerNode(OLDEST_NODE);
  if (node === null) {
    process.stderr.write(
      `mesh: Node ${OLDEST_NODE} or newer is needed, this one is ${process.versions.node}: install it from https://nodejs.org, or beside this package by \`npm install node@${OLDEST_NODE}\`\n`,
    );
    process.exitCode = 1;
  } else process.exitCode = await runWith(node);
} else {
  const { enableCompileCache } = await import('node:module');
  enableCompileCache();
  const { main } = await import('./program.ts');
  await main(process.argv.slice(2));
  // What is over is over: a connection that its other side does not close holds nobody up.
  setTimeout(() => process.exit(), LAST_MS).unref();
}
