// Asks the host's cache for a line that will be written soon. Swift has no word for it.
#ifndef KMEMU_PREFETCH_H
#define KMEMU_PREFETCH_H

static inline void kmemu_prefetch(const void *line) { __builtin_prefetch(line, 1, 3); }

#endif
