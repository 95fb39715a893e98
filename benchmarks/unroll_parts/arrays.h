/* What kernels and their harness share: the arrays of the project's loops in C, on the system's own types. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "../../datasets/c_loops.h"

typedef long kernel(struct arrays *restrict at, long n);
