// The frame of a guest that was built with our SDK (filters/sdk/frame.ts has its layout): headers and properties that the guest
// reads with every message are written here before its callback, in one pass over the head, so that reading them is no call out of the
// guest. A name that occurs twice, a value that does not fit and everything else that is not plain is left to be asked for.

import {
  COUNT,
  FRAME_SIZE,
  FRAME_VERSION,
  NAMES,
  ROOM,
  SLOTS,
  TOLD,
  VALUE,
  VALUES,
  WANTED,
} from '../../../filters/sdk/layout.ts';
import type { Head } from '../../http/head.ts';
import type { Node } from '../../workload.ts';
import type { GuestContext } from '../abi/guest.ts';
import { foldCase } from '../abi/header-map.ts';
import type { GuestMemory } from '../abi/memory.ts';
import { isSteady, type PropertyReader, propertyReader } from '../abi/properties.ts';

export const FRAME_EXPORT = `weft_frame_${FRAME_VERSION}`;

const WANTED_REQUEST = WANTED;
const WANTED_RESPONSE = WANTED + 4;
const WANTED_PROPERTIES = WANTED + 8;
/** Longer names are asked for. */
const LONGEST = 64;
const NOTHING = new Uint8Array(0);

/** Names that are no fields of a Head. */
const PATH = ':path';
const METHOD = ':method';
const AUTHORITY = ':authority';
const HOST = 'host';

export class Frame {
  private readonly memory: GuestMemory;
  private readonly at: number;
  /** Names that were read from the guest. */
  private known = 0;
  /** By slot; lower case. Empty: a name that is always asked for. */
  private readonly names: Uint8Array[] = new Array(SLOTS).fill(NOTHING);
  /** Slots of fields, as bits; of :path and its like. */
  private fields = 0;
  private path = 0;
  private method = 0;
  private authority = 0;
  /** Of properties; who reads them, by slot. */
  private properties = 0;
  private readonly readers: (PropertyReader | null)[] = new Array(SLOTS).fill(null);
  /** First slot whose name has this length, and the next one of the same length; -1: none. */
  private readonly first = new Int8Array(LONGEST + 1).fill(-1);
  private readonly next = new Int8Array(SLOTS).fill(-1);
  /** Where the next value goes. */
  private room = 0;
  /** Slots that are filled, and those whose name came again or did not fit. */
  private filled = 0;
  private left = 0;

  /** `at`: what the guest exports, which is checked with every use. */
  constructor(memory: GuestMemory, at: number) {
    this.memory = memory;
    this.at = at >>> 0;
  }

  /** Puts what the guest wants of this head, and to know of its stream, where it finds it. */
  offer(head: Head, request: boolean, context: GuestContext, node: Node): void {
    const { memory, at } = this;
    memory.attach();
    if (!memory.holds(at, FRAME_SIZE)) return;
    const wanted = memory.u32(at + (request ? WANTED_REQUEST : WANTED_RESPONSE));
    const properties = memory.u32(at + WANTED_PROPERTIES);
    if ((wanted | properties) === 0) return;
    const count = memory.u32(at + COUNT);
    if (count !== this.known) this.learn(Math.min(count, SLOTS));
    this.room = at + ROOM;
    this.filled = 0;
    this.left = 0;
    const fields = wanted & this.fields;
    if (fields !== 0) this.readFields(head, fields);
    if (request) this.readPseudo(head, wanted);
    memory.setU32(at, this.filled & ~this.left);
    if ((properties & this.properties) !== 0) this.readProperties(properties & this.properties, context, node);
  }

  private readFields(head: Head, wanted: number): void {
    const { spans, bytes, added } = head;
    const { first, next } = this;
    for (let i = 0; i < spans.length; i += 4) {
      const length = spans[i + 1];
      if (length > LONGEST || spans[i] < 0) continue;
      for (let slot = first[length]; slot >= 0; slot = next[slot]) {
        if (((wanted >> slot) & 1) === 0 || !sameName(this.names[slot], bytes, spans[i])) continue;
        if (this.isFirst(slot)) this.putBytes(slot, bytes, spans[i + 2], spans[i + 3]);
      }
    }
    for (let i = 0; i < added.length; i += 2) {
      const name = added[i];
      if (name.length > LONGEST) continue;
      for (let slot = first[name.length]; slot >= 0; slot = next[slot]) {
        if (((wanted >> slot) & 1) === 0 || !sameText(this.names[slot], name)) continue;
        if (this.isFirst(slot)) this.putText(slot, added[i + 1]);
      }
    }
    // What was not found is known to be missing.
    for (let slot = 0; slot < this.known; slot++) {
      if ((((wanted & ~this.filled) >> slot) & 1) !== 0) this.put(slot, 0, false);
    }
  }

  private readPseudo(head: Head, wanted: number): void {
    if ((wanted & this.method) !== 0) this.putAll(wanted & this.method, head.method);
    if ((wanted & this.path) !== 0) {
      if (head.newPath === null) this.putSpan(wanted & this.path, head, head.pathStart, head.pathLength);
      else this.putAll(wanted & this.path, head.newPath);
    }
    if ((wanted & this.authority) !== 0) {
      if (head.newAuthority !== null) this.putAll(wanted & this.authority, head.newAuthority);
      else this.putSpan(wanted & this.authority, head, head.authorityStart, head.authorityLength);
    }
  }

  private readProperties(wanted: number, context: GuestContext, node: Node): void {
    for (let slot = 0; slot < this.known; slot++) {
      if (((wanted >> slot) & 1) === 0) continue;
      const value = this.readers[slot]!(context, node);
      if (value === undefined) this.put(slot, 0, false);
      else if (typeof value === 'string') this.putText(slot, value);
      else this.putBytes(slot, value, 0, value.length);
    }
    this.memory.setU32(this.at + TOLD, wanted & ~this.left);
  }

  private putAll(slots: number, text: string): void {
    for (let slot = 0; slot < this.known; slot++) if (((slots >> slot) & 1) !== 0) this.putText(slot, text);
  }

  private putSpan(slots: number, { bytes }: Head, start: number, length: number): void {
    for (let slot = 0; slot < this.known; slot++) {
      if (((slots >> slot) & 1) !== 0) this.putBytes(slot, bytes, start, length);
    }
  }

  /** False, and the slot is not offered: it had a value already. */
  private isFirst(slot: number): boolean {
    if (((this.filled >> slot) & 1) === 0) return true;
    this.left |= 1 << slot;
    return false;
  }

  private putBytes(slot: number, bytes: Uint8Array, start: number, length: number): void {
    if (this.fits(slot, length)) this.memory.writeBytes(bytes, start, length, this.room);
    this.put(slot, length, true);
  }

  private putText(slot: number, text: string): void {
    if (this.fits(slot, text.length)) this.memory.writeLatin1(text, this.room);
    this.put(slot, text.length, true);
  }

  private fits(slot: number, length: number): boolean {
    if (this.room + length <= this.at + FRAME_SIZE) return true;
    this.left |= 1 << slot;
    return false;
  }

  private put(slot: number, length: number, exists: boolean): void {
    const { memory } = this;
    const value = this.at + VALUES + slot * VALUE;
    this.filled |= 1 << slot;
    memory.setU32(value, this.room);
    memory.setU32(value + 4, length);
    memory.setU32(value + 8, exists ? 1 : 0);
    if (((this.left >> slot) & 1) === 0) this.room += length;
  }

  /** Reads the names anew: the guest has asked for another header. */
  private learn(count: number): void {
    const { memory, at, first, next } = this;
    first.fill(-1);
    next.fill(-1);
    this.fields = 0;
    this.path = 0;
    this.method = 0;
    this.authority = 0;
    this.properties = 0;
    for (let slot = 0; slot < count; slot++) {
      const pointer = memory.u32(at + NAMES + slot * 8);
      const length = memory.u32(at + NAMES + slot * 8 + 4);
      const readable = length > 0 && length <= LONGEST && memory.holds(pointer, length);
      const path = readable ? memory.latin1(pointer, length) : '';
      const name = path.toLowerCase();
      this.names[slot] = Uint8Array.from(name, (character) => character.charCodeAt(0));
      // No header is called like one of these.
      if (isSteady(path)) {
        this.properties |= 1 << slot;
        this.readers[slot] = propertyReader(path);
        continue;
      }
      if (name === PATH) this.path |= 1 << slot;
      else if (name === METHOD) this.method |= 1 << slot;
      else if (name === AUTHORITY || name === HOST) this.authority |= 1 << slot;
      else if (readable && name[0] !== ':' && name !== 'content-length') {
        this.fields |= 1 << slot;
        next[slot] = first[length];
        first[length] = slot;
      }
    }
    this.known = count;
  }
}

function sameName(name: Uint8Array, bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < name.length; i++) {
    const byte = bytes[at + i];
    if (byte !== name[i] && foldCase(byte) !== name[i]) return false;
  }
  return true;
}

function sameText(name: Uint8Array, text: string): boolean {
  for (let i = 0; i < name.length; i++) if (foldCase(text.charCodeAt(i)) !== name[i]) return false;
  return true;
}
