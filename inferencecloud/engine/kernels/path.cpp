// The arithmetic for one instruction path: KERNELS names it, the compiler's flags choose its instructions.
// Nothing of the standard library may be used here: a function compiled for this path only could be the copy
// that the linker keeps for all.
#include "attention.h"

extern const Kernels KERNELS = {attention_scratch_floats, attend};
