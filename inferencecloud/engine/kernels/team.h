// Threads that compute one kernel after the other together.
//
// A step of a small model is some hundred kernels of a few dozen microseconds. OpenMP lets its threads sleep as
// soon as a process has more of them than cores (libgomp waits for some microseconds then), and waking one takes
// as long as a kernel. These stay awake between the kernels of a step and sleep between steps; and nobody waits
// for one who has not come: whoever is there takes the next piece.
#pragma once

#include <cstdint>

// Calls work(context, item) for items 0 .. count, on at most `threads` threads, the caller's among them. Returns when
// all are done. One caller at a time has the team; another one meanwhile works alone. What `work` throws comes out of
// here, and items that nobody has begun are left out then.
void share_out(int64_t count, int64_t threads, void (*work)(const void* context, int64_t item), const void* context);
