// The stage that finds which of a virtual host's routes takes a request. Where there are many not all of them are asked: they are
// found by the literal with which their paths begin, beside those that any path may match.

import type { Head } from '../http/head.ts';
import type { Claims } from './claims.ts';
import type { Route, VirtualHost } from './route.ts';

/** Below this it takes longer to look up than to compare. */
const WORTH_AN_INDEX = 16;

/** What a search is told beside the head, and what it tells. */
export interface Matched {
  /** Of the request's verified token; null: it has none, or none yet. */
  readonly claims: Claims | null;
  /** Bytes of the path that the match covered. */
  covered: number;
}

const indexes = new WeakMap<readonly Route[], RouteIndex>();

/** First match wins. Writes the bytes of the path that the match covered into `matched`. */
export function findRoute(host: VirtualHost, head: Head, matched: Matched): Route | null {
  const { routes } = host;
  if (routes.length >= WORTH_AN_INDEX) return indexOf(routes).find(head, matched);
  for (const route of routes) {
    const covered = coveredBy(route, head, matched.claims);
    if (covered < 0) continue;
    matched.covered = covered;
    return route;
  }
  return null;
}

function indexOf(routes: readonly Route[]): RouteIndex {
  let index = indexes.get(routes);
  if (index === undefined) {
    index = new RouteIndex(routes);
    indexes.set(routes, index);
  }
  return index;
}

/** Places in the list of routes, ascending. */
type Places = number[];

export class RouteIndex {
  private readonly routes: readonly Route[];
  /** Literals by their length, so that a path is cut once for each length and not once for each literal. */
  private readonly byLength: { readonly length: number; readonly literals: Map<string, Places> }[] = [];
  private readonly others: Places = [];

  constructor(routes: readonly Route[]) {
    this.routes = routes;
    routes.forEach(({ matches }, place) => {
      const literals = new Set(matches.map(({ begins }) => begins));
      if (literals.size === 0 || literals.has(null)) this.others.push(place);
      else for (const literal of literals) this.add(literal!, place);
    });
  }

  /** First match wins. Writes the bytes of the path that the match covered into `matched`. */
  find(head: Head, matched: Matched): Route | null {
    const { path } = head;
    let first = this.firstOf(this.others, this.routes.length, head, matched);
    for (const { length, literals } of this.byLength) {
      if (length > path.length) continue;
      const places = literals.get(path.slice(0, length));
      if (places !== undefined) first = this.firstOf(places, first, head, matched);
    }
    return this.routes[first] ?? null;
  }

  /** The first of these places whose route matches, if it comes before `before`; else `before`. */
  private firstOf(places: Places, before: number, head: Head, matched: Matched): number {
    for (const place of places) {
      if (place >= before) break;
      const covered = coveredBy(this.routes[place], head, matched.claims);
      if (covered < 0) continue;
      matched.covered = covered;
      return place;
    }
    return before;
  }

  private add(literal: string, place: number): void {
    let entry = this.byLength.find(({ length }) => length === literal.length);
    if (entry === undefined) {
      entry = { length: literal.length, literals: new Map() };
      this.byLength.push(entry);
    }
    const places = entry.literals.get(literal);
    if (places === undefined) entry.literals.set(literal, [place]);
    else places.push(place);
  }
}

/** Bytes of the path that the route's match covers, or -1. */
export function coveredBy(route: Route, head: Head, claims: Claims | null): number {
  const { matches } = route;
  if (matches.length === 0) return 0;
  for (const matcher of matches) {
    const covered = matcher.match(head, claims);
    if (covered >= 0) return covered;
  }
  return -1;
}
