// The process of the http-proxy peer: every request goes to one upstream through a keep-alive agent.
// node http-proxy-app.ts PORT UPSTREAM FOLDER, where FOLDER holds the package.

import { Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';

interface ProxyServer {
  web(request: IncomingMessage, response: ServerResponse): void;
  on(event: 'error', listener: (error: Error, request: IncomingMessage, response: ServerResponse) => void): void;
}

const [port, target, folder] = process.argv.slice(2);
const { createProxyServer } = createRequire(join(folder, 'index.js'))('http-proxy') as {
  createProxyServer(options: object): ProxyServer;
};
const proxy = createProxyServer({ target, agent: new Agent({ keepAlive: true, maxFreeSockets: 8192 }) });
proxy.on('error', (_error, _request, response) => {
  if (!response.headersSent) response.writeHead(502);
  response.end();
});
createServer((request, response) => proxy.web(request, response)).listen(Number(port), '127.0.0.1', 4096);
