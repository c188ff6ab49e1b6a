// The upstream's process where nginx is missing.
// node upstream-app.ts PORT SIZE...

import { createServer } from 'node:http';

const [port, ...sizes] = process.argv.slice(2);
const bodies = new Map(sizes.map((size) => [`/${size}`, Buffer.alloc(Number(size), 'x')]));

createServer((request, response) => {
  const body = bodies.get(request.url ?? '');
  request.resume();
  request.on('end', () => {
    response.writeHead(body === undefined ? 404 : 200, { 'content-length': body?.length ?? 0 });
    response.end(body);
  });
}).listen(Number(port), '127.0.0.1');
