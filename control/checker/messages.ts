// What the control plane and the thread that checks changes say to each other. Types only.
import type { Problem, Resource } from '../../core/config/resource.ts';
import type { Node } from '../../core/workload.ts';

export interface SourceFile {
  readonly name: string;
  readonly text: string;
}

/** What a proxy's lease says that checks ask for. */
export interface Joined {
  /** Null: it does not look like one. */
  readonly node: Node | null;
  /** Full names of hosts that it serves. */
  readonly hosts: readonly string[];
}

export type Entry = readonly [key: string, body: unknown];

/** In the order in which they are to be taken. */
export type ToChecker =
  /** Of the message that comes after them, which takes them all: a large one must not keep anybody's event loop. */
  | { readonly is: 'part'; readonly entries: readonly Entry[] }
  /** The parts are the whole configuration. */
  | { readonly is: 'state'; readonly revision: number }
  /** The parts are what a commit put in. */
  | { readonly is: 'commit'; readonly revision: number; readonly removals: readonly string[] }
  /** What was checked last is now the configuration. */
  | { readonly is: 'adopted'; readonly revision: number }
  /** By proxy; null: it left. */
  | { readonly is: 'proxies'; readonly entries: readonly (readonly [string, Joined | null])[] }
  | { readonly is: 'release'; readonly decoded: number }
  | { readonly is: 'job'; readonly id: number; readonly job: Job };

/** `decoded`: the id of the job that decoded. `replaced`: what takes the place of resources that were decoded, by key. */
export type Job =
  /** What kinds are called. */
  | { readonly does: 'kinds' }
  | { readonly does: 'decode'; readonly files: readonly SourceFile[] }
  /** The parts are values, each a resource that nobody has looked at. */
  | { readonly does: 'decodeValues' }
  | { readonly does: 'place'; readonly decoded: number; readonly problems: readonly Problem[] }
  | { readonly does: 'diff'; readonly decoded: number; readonly replaced: readonly Resource[] }
  | { readonly does: 'check'; readonly change: Wanted }
  | { readonly does: 'describe'; readonly module: Uint8Array };

export type Wanted =
  | { readonly wants: 'apply'; readonly decoded: number; readonly replaced: readonly Resource[] }
  | { readonly wants: 'delete'; readonly keys: readonly string[] }
  | { readonly wants: 'deleteDecoded'; readonly decoded: number }
  /** The parts are the whole state that is wanted. */
  | { readonly wants: 'state' }
  /** What was decoded is, and all of it is written, whatever was there. */
  | { readonly wants: 'restore'; readonly decoded: number };

export interface DecodedReply {
  readonly problems: readonly Problem[];
  /** WasmPlugins among the resources. */
  readonly plugins: readonly Resource[];
  /** How many there are, and the key of the first one. */
  readonly resources: number;
  readonly first: string;
  /** One of the keys of each namespace. */
  readonly places: readonly string[];
}

export interface DiffReply {
  readonly revision: number;
  /** JSON of a list. */
  readonly diffs: string;
}

export interface Outcome {
  /** Of the configuration that it would change. */
  readonly revision: number;
  /** Of keys to delete none is there. */
  readonly missing: readonly string[] | null;
  /** Errors, or nothing. */
  readonly refusal: readonly Problem[];
  /** What is to be written and runs modules. */
  readonly modules: readonly Resource[];
  /** JSON of what becomes of each key, and of the warnings. */
  readonly changes: string;
  readonly warnings: string;
  /** To be written, as JSON. More of them came before, in parts. */
  readonly upserts: readonly (readonly [key: string, json: string])[];
  readonly removals: readonly string[];
}

export type FromChecker =
  /** From here on its time counts. */
  | { readonly is: 'began'; readonly id: number }
  | { readonly is: 'part'; readonly id: number; readonly upserts: Outcome['upserts'] }
  | { readonly is: 'done'; readonly id: number; readonly result: unknown }
  /** What a job threw, which is a fault of ours. */
  | { readonly is: 'failed'; readonly id: number; readonly why: string };
