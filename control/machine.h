/* What the machine has for this process. */
#ifndef CONTROL_MACHINE_H
#define CONTROL_MACHINE_H

#include <stdint.h>

/* CPUs that this process may run on. */
unsigned machine_cpus(void);

/*
 * As many descriptors as we may have; warns where they are not enough for so
 * many clients, each of which takes two.
 */
void machine_raise_fd_limit(uint32_t connections);

#endif
