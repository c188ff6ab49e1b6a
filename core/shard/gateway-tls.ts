// What ends TLS at the gateway listeners of this shard, kept in step with the configuration and with the credentials that it names.

import type { Credential, CredentialRef } from '../credential.ts';
import { ServerNames } from '../snapshot/server-names.ts';
import { MESH_ROOTS, type TlsPort, WORKLOAD } from '../snapshot/tls-servers.ts';
import type { CertifiedSockets } from '../transport/tls/certified-sockets.ts';
import type { TlsServer } from '../transport/tls/server.ts';
import { Terminator } from '../transport/tls/terminator.ts';
import type { Terminators } from '../transport/tls/terminators.ts';
import type { WorkloadIdentity } from '../workload.ts';

export class GatewayTls {
  private readonly seed: string;
  private readonly handshakeMs: number;
  private readonly sockets: CertifiedSockets;
  private readonly log: (level: 'warning', component: string, message: string) => void;
  private readonly credentials = new Map<string, Credential>();
  /** By all that is said of its server. */
  private readonly terminators = new Map<string, Terminator>();
  private plans: ReadonlyMap<number, TlsPort> = new Map();
  private ports: ReadonlyMap<number, Terminators> = new Map();

  /** `seed`: see TerminatorCredentials. */
  constructor(seed: string, handshakeMs: number, sockets: CertifiedSockets, log: GatewayTls['log']) {
    this.sockets = sockets;
    this.seed = seed;
    this.handshakeMs = handshakeMs;
    this.log = log;
  }

  /** From the next handshake on. Null: it is no more. */
  learn(name: string, credential: Credential | null): void {
    if (credential === null) this.credentials.delete(name);
    else this.credentials.set(name, credential);
    for (const terminator of this.terminators.values()) {
      const { pairs, trust } = terminator.server;
      if ([...pairs, ...trust].some((ref) => ref.name === name)) this.adopt(terminator);
    }
  }

  /** By which the workload is known from now on. */
  setIdentity({ key, chain, roots }: WorkloadIdentity): void {
    this.learn(WORKLOAD.name, { key, cert: chain, ca: '', crl: '' });
    this.learn(MESH_ROOTS.name, { key: '', cert: '', ca: roots, crl: '' });
  }

  configure(plans: ReadonlyMap<number, TlsPort>): void {
    if (plans === this.plans) return;
    const used = new Set<string>();
    const ports = new Map<number, Terminators>();
    for (const [port, plan] of plans) {
      const known = this.plans.get(port) === plan ? this.ports.get(port) : undefined;
      ports.set(port, known ?? this.terminatorsOf(plan));
      for (const { server } of plan.servers) used.add(JSON.stringify(server));
    }
    for (const key of this.terminators.keys()) if (!used.has(key)) this.terminators.delete(key);
    this.plans = plans;
    this.ports = ports;
  }

  /** Null: nothing ends TLS there. */
  at(port: number): Terminators | null {
    return this.ports.get(port) ?? null;
  }

  private terminatorsOf({ servers }: TlsPort): Terminators {
    const keys = new Set(servers.map(({ server }) => server.key));
    const named = servers.flatMap(({ names, server }) => {
      const terminator = this.terminatorOf(server);
      return names.map((name) => [name, terminator] as const);
    });
    return { names: new ServerNames(named), has: (key) => keys.has(key) };
  }

  private terminatorOf(server: TlsServer): Terminator {
    const key = JSON.stringify(server);
    const known = this.terminators.get(key);
    if (known !== undefined) return known;
    const terminator = new Terminator(server, this.sockets, this.handshakeMs);
    this.terminators.set(key, terminator);
    this.adopt(terminator);
    return terminator;
  }

  private adopt(terminator: Terminator): void {
    const { label, pairs, trust } = terminator.server;
    const of = ({ name }: CredentialRef): Credential | null => this.credentials.get(name) ?? null;
    const before = terminator.fault;
    terminator.adopt({ pairs: pairs.map(of), trust: trust.map(of), seed: this.seed });
    const { fault } = terminator;
    if (fault !== '' && fault !== before) this.log('warning', 'listener', `${label} takes no handshake: ${fault}`);
  }
}
