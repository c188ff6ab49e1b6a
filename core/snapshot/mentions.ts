// Who names which host, in any form under which the registry may know it: when a service changes, those are who it concerns.

import { hostForms } from '../config/hosts.ts';

export class Mentions<Who extends object | string> {
  /** Most hosts are named by one alone. */
  private readonly byForm = new Map<string, Who | Set<Who>>();

  add(host: string, namespace: string, who: Who): void {
    for (const form of hostForms(host, namespace)) {
      const known = this.byForm.get(form);
      if (known === undefined) this.byForm.set(form, who);
      else if (known instanceof Set) known.add(who);
      else if (known !== who) this.byForm.set(form, new Set([known, who]));
    }
  }

  remove(host: string, namespace: string, who: Who): void {
    for (const form of hostForms(host, namespace)) {
      const known = this.byForm.get(form);
      if (known === who) this.byForm.delete(form);
      if (!(known instanceof Set)) continue;
      known.delete(who);
      if (known.size === 0) this.byForm.delete(form);
    }
  }

  /** `host`: the full name of a service. */
  of(host: string): Iterable<Who> {
    const known = this.byForm.get(host);
    if (known === undefined) return [];
    return known instanceof Set ? known : [known];
  }
}
