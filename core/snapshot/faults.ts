// What no proxy could compile, and where: what the schemas of the kinds cannot know.

import type { Policies } from '../builtins/builtin.ts';
import type { Problem } from '../config/resource.ts';
import { configFaults } from './chain-plan.ts';
import { headerFaults } from './changes.ts';

export function faultsIn(policies: Policies): Problem[] {
  return [...configFaults(policies), ...headerFaults(policies('VirtualService'))];
}
