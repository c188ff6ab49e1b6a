// Export: where the frame lies. The name carries FRAME_VERSION of layout.ts; hosts that do not know it ignore it.

import { FRAME } from '../frame';

export const weft_frame_2: usize = FRAME;
