// An external authorizer, as in Istio's sample: `x-ext-authz: allow` lets a request pass. `node server.mjs [PORT]`; it prints where
// it listens.

import { createServer } from 'node:http';

const HEADER = 'x-ext-authz';

const server = createServer((request, response) => {
  const allowed = request.headers[HEADER] === 'allow';
  const override = request.headers['x-ext-authz-additional-header-override'];
  response.writeHead(allowed ? 200 : 403, {
    'x-ext-authz-check-result': allowed ? 'allowed' : 'denied',
    'x-ext-authz-check-received': `${request.method} ${request.headers.host}${request.url}`,
    ...(override !== undefined && { 'x-ext-authz-additional-header-override': override }),
  });
  response.end(allowed ? '' : `denied by ext_authz for not found header \`${HEADER}: allow\` in the request`);
});

server.listen(Number(process.argv[2] ?? 8000), process.env.HOST ?? '127.0.0.1', () => {
  process.stdout.write(`listening on ${server.address().port}\n`);
});
