// Who names which host, in any form under which the registry may know it: when a service changes, those are who it concerns.

import { hostForms } from '../config/hosts.ts';

export class Mentions<Who> {
  private readonly byForm = new Map<string, Set<Who>>();

  add(host: string, namespace: string, who: Who): void {
    for (const form of hostForms(host, namespace)) {
      const known = this.byForm.get(form);
      if (known === undefined) this.byForm.set(form, new Set([who]));
      else known.add(who);
    }
  }

  remove(host: string, namespace: string, who: Who): void {
    for (const form of hostForms(host, namespace)) {
      const known = this.byForm.get(form);
      known?.delete(who);
      if (known?.size === 0) this.byForm.delete(form);
    }
  }

  /** `host`: the full name of a service. */
  of(host: string): Iterable<Who> {
    return this.byForm.get(host) ?? [];
  }
}
