// What proxies serve, as the main thread keeps it: most of a large mesh says the same thing of itself but for its id, its name and
// its address, which its id has in it. So everybody's text is kept once, with places for those three, and of each proxy only which.

import type { Served } from '../workload.ts';

/** One text, and who says it: of the same id it is equal when it is the same object. */
export interface Pack {
  readonly text: string;
  /** Whether services, namespaces and labels in it are the same for everybody who says it. */
  readonly uniform: boolean;
  uses: number;
}

/** 'sidecar~10.1.0.5~reviews-v1-1.default~default.svc.cluster.local': no JSON has characters like these in it. */
const ID = '\u0001';
const ADDRESS = '\u0002';
const NAME = '\u0003';
const PLACES = [ID, ADDRESS, NAME];
/** Shorter pieces are found in too much that is something else. */
const SHORTEST = 3;

export class ServedPacks {
  private readonly packs = new Map<string, Pack>();

  /** How many different ones there are. */
  get size(): number {
    return this.packs.size;
  }

  /** To be released as often as it was taken. */
  take(id: string, served: Served): Pack {
    const text = withPlaces(id, JSON.stringify(served));
    const known = this.packs.get(text);
    if (known !== undefined) return this.again(known);
    const pack = { text, uniform: isUniform(id, served), uses: 1 };
    this.packs.set(text, pack);
    return pack;
  }

  again(pack: Pack): Pack {
    pack.uses++;
    return pack;
  }

  release(pack: Pack): void {
    if (--pack.uses === 0) this.packs.delete(pack.text);
  }
}

export function unpack(id: string, { text }: Pack): Served {
  let whole = text;
  for (const [place, piece] of placesIn(id)) whole = whole.split(place).join(piece);
  return JSON.parse(whole) as Served;
}

function withPlaces(id: string, text: string): string {
  let packed = text;
  for (const [place, piece] of placesIn(id)) packed = packed.replaceAll(piece, place);
  return packed;
}

/** As JSON has them. The longer first: the id has the others in it. */
function placesIn(id: string): (readonly [place: string, piece: string])[] {
  const whole = JSON.stringify(id).slice(1, -1);
  const [, address = '', who = ''] = whole.split('~');
  const dot = who.indexOf('.');
  const name = dot < 0 ? who : who.slice(0, dot);
  const pieces = [
    [ID, whole],
    [ADDRESS, address],
    [NAME, name],
  ] as const;
  return pieces.filter(([, piece]) => piece.length >= SHORTEST);
}

function isUniform(id: string, { endpoints, dialling }: Served): boolean {
  const said = [...endpoints, ...(dialling ?? [])].map(({ services, namespace, labels }) => [
    services,
    namespace,
    labels,
  ]);
  const text = withPlaces(id, JSON.stringify(said));
  return !PLACES.some((place) => text.includes(place));
}
