// One connection of the load generator: a request at a time, its answer read to the end into a buffer that all share.

import { connect, type Socket, type TcpNetConnectOpts } from 'node:net';
import { AnswerReader } from './answer.ts';
import type { Traffic } from './load.ts';

export interface ClientOwner {
  /** `due`: as it was given to `send`. `answer`: its status and length, until the next one on this connection. */
  onAnswered(client: Client, due: number, answer: AnswerReader): void;
  /** The connection is gone; `due` is null when no request was under way. */
  onFailed(client: Client, due: number | null): void;
}

const buffer = Buffer.allocUnsafeSlow(256 << 10);
const messages = new WeakMap<Traffic, Buffer>();

export class Client {
  private readonly host: string;
  private readonly port: number;
  private readonly message: Buffer;
  private readonly owner: ClientOwner;
  private readonly reader = new AnswerReader();
  private socket: Socket | null = null;
  private due: number | null = null;
  private over = false;

  constructor(host: string, port: number, traffic: Traffic, owner: ClientOwner) {
    this.host = host;
    this.port = port;
    this.owner = owner;
    this.message = messages.get(traffic) ?? messageOf(traffic);
    messages.set(traffic, this.message);
  }

  connect(): Promise<void> {
    return new Promise((resolve, reject) => {
      const { host, port } = this;
      const onread = { buffer, callback: (size: number) => this.read(size) };
      const options: TcpNetConnectOpts = { host, port, noDelay: true, onread };
      const socket = connect(options);
      this.socket = socket;
      let connected = false;
      socket.on('error', (error) => {
        if (!connected) reject(error);
      });
      socket.once('connect', () => {
        connected = true;
        resolve();
      });
      socket.on('close', () => {
        if (connected && !this.over) this.fail();
      });
    });
  }

  send(due: number): void {
    this.due = due;
    this.socket!.write(this.message);
  }

  close(): void {
    this.over = true;
    this.socket?.destroy();
  }

  private read(size: number): boolean {
    if (this.due === null) {
      this.fail();
      return false;
    }
    try {
      if (!this.reader.push(buffer, size)) return true;
    } catch {
      this.fail();
      return false;
    }
    const { due } = this;
    this.due = null;
    this.reader.reset();
    this.owner.onAnswered(this, due, this.reader);
    return true;
  }

  private fail(): void {
    if (this.over) return;
    this.close();
    const { due } = this;
    this.due = null;
    this.owner.onFailed(this, due);
  }
}

function messageOf({ method, path, requestBodyBytes, headers, fresh }: Traffic): Buffer {
  const fields = Object.entries({
    host: 'application.bench',
    ...headers,
    ...(fresh ? { connection: 'close' } : {}),
    ...(method === 'POST' ? { 'content-length': String(requestBodyBytes) } : {}),
  });
  const head = `${method} ${path} HTTP/1.1\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), Buffer.alloc(requestBodyBytes, 'x')]);
}
