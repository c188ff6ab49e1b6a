// The upstream's process where nginx is missing.
// node upstream-app.ts PORT SIZE...

import { createServer } from 'node:http';

const PIECE = Buffer.alloc(1 << 20, 'x');
const [port, ...sizes] = process.argv.slice(2);

createServer((request, response) => {
  const size = /\/(\d+)$/.exec(request.url ?? '')?.[1] ?? '';
  request.resume();
  request.on('end', () => {
    const known = sizes.includes(size);
    let left = known ? Number(size) : 0;
    response.writeHead(known ? 200 : 404, { 'content-length': left });
    const more = (): void => {
      while (left > 0) {
        const piece = PIECE.subarray(0, Math.min(left, PIECE.length));
        left -= piece.length;
        if (!response.write(piece)) {
          response.once('drain', more);
          return;
        }
      }
      response.end();
    };
    more();
  });
}).listen(Number(port), '127.0.0.1', 4096);
