// Export: where the frame lies. The name carries its layout's version; hosts that do not know it ignore it.

import { FRAME } from '../frame';

export const weft_frame_2: usize = FRAME;
