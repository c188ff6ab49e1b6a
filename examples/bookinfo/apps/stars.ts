// Where ratings keeps its stars: a store of keys and values that speaks no HTTP. A line is a command, and a line is its answer:
// `GET key` -> the value or nothing, `SET key value` -> `OK`, and `ERR ...` for what is neither.
import { createServer, type Socket } from 'node:net';

const MAX_KEYS = 1000;
const MAX_LINE = 16 << 10;
const IDLE_MS = 60_000;
const values = new Map<string, string>();

const server = createServer((socket) => {
  let rest = '';
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop()!;
    for (const line of lines) answer(socket, line);
    if (rest.length > MAX_LINE) socket.end('ERR the line is too long\n');
  });
});

function answer(socket: Socket, line: string): void {
  const [, command, key, value] = /^(GET|SET) (\S+)(?: (.*?))?\r?$/.exec(line) ?? [];
  if (command === 'GET' && value === undefined) socket.write(`${values.get(key) ?? ''}\n`);
  else if (command === 'SET' && value !== undefined) {
    const full = !values.has(key) && values.size >= MAX_KEYS;
    if (!full) values.set(key, value);
    socket.write(full ? 'ERR full\n' : 'OK\n');
  } else socket.write('ERR not a command\n');
}

const port = Number(process.env.PORT ?? 9080);
const host = process.env.HOST ?? '127.0.0.1';
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => server.close());
server.listen(port, host, () => process.stdout.write(`stars listens on ${host}:${port}\n`));
