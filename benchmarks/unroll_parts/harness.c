/* Fills the arrays, and times one kernel: nanoseconds of some calls in a row. */
#include "arrays.h"
#include <time.h>

static uint64_t state = 88172645463325252ull;

static uint64_t next(void) {
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

void fill(struct arrays *at) {
  state = 88172645463325252ull;
  for (int k = 0; k < 4; ++k)
    for (int j = 0; j < MOST; ++j) {
      at->f[k][j] = (float)(next() >> 40) * 0x1p-24f + 0.01f;
      at->d[k][j] = (double)(next() >> 11) * 0x1p-53 + 0.01;
      at->i[k][j] = k == 3 ? (j * 421 + 97) & 1023 : (int32_t)(next() & 1023);
      at->l[k][j] = (int64_t)(next() & 1023);
      at->s[k][j] = (int16_t)(next() & 1023);
      at->c[k][j] = (uint8_t)(1 + next() % 250);
    }
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

double timed(kernel *call, struct arrays *at, long n, long times) {
  volatile long sink = 0;
  double begin = now();
  for (long k = 0; k < times; ++k) sink += call(at, n);
  return (now() - begin) / (double)times;
}
