/* The arrays that kernels of c_loops.py work on; MOST elements each, values small, indices below 1024. MOST is no power
 * of two, so that arrays do not lie at one offset in their pages. The types of <stdint.h> must be known before. */
#define MOST 4544
struct arrays {
  float f[4][MOST];
  double d[4][MOST];
  int32_t i[4][MOST]; /* the last: a permutation of 0..1023, again and again */
  int64_t l[4][MOST];
  int16_t s[4][MOST];
  uint8_t c[4][MOST];
};
