/* Loops that an unroller must decide about, after TSVC, PolyBench, zlib, lz4, xxHash, libc and image codes; none of them
 * is in the training data. KERNEL(name) is called with the arrays of arrays.h and a trip count that nobody knows. */
#include "arrays.h"

#define KERNEL(name) long name(struct arrays *restrict at, long n)
#define FLOATS float *restrict a = at->f[0]; const float *restrict b = at->f[1], *restrict c = at->f[2];
#define DOUBLES double *restrict a = at->d[0]; const double *restrict b = at->d[1], *restrict c = at->d[2];
#define INTS int32_t *restrict a = at->i[0]; const int32_t *restrict b = at->i[1], *restrict p = at->i[3];
#define BYTES uint8_t *restrict a = at->c[0]; const uint8_t *restrict b = at->c[1], *restrict c = at->c[2];

/* TSVC: streams, reductions, recurrences, control flow */
KERNEL(s000) { FLOATS (void)c; for (int i = 0; i < n; i++) a[i] = b[i] + 1; return (long)a[0]; }
KERNEL(s1111) { FLOATS for (int i = 0; i < n / 2; i++) a[2 * i] = c[i] * b[i] + c[i] * c[i] + b[i]; return (long)a[0]; }
KERNEL(s112) { FLOATS (void)c; for (long i = n - 2; i >= 0; i--) a[i + 1] = a[i] + b[i]; return (long)a[1]; }
KERNEL(s251) { DOUBLES for (int i = 0; i < n; i++) { double s = b[i] + c[i]; a[i] = s * s; } return (long)a[0]; }
KERNEL(s254) { FLOATS (void)c; float x = b[n - 1]; for (int i = 0; i < n; i++) { a[i] = (b[i] + x) * .5f; x = b[i]; } return (long)a[0]; }
KERNEL(s271) { FLOATS for (int i = 0; i < n; i++) if (b[i] > 0.5f) a[i] += b[i] * c[i]; return (long)a[0]; }
KERNEL(s311) { FLOATS (void)a; (void)c; float s = 0; for (int i = 0; i < n; i++) s += b[i]; return (long)s; }
KERNEL(s312) { DOUBLES (void)a; (void)c; double s = 1; for (int i = 0; i < n; i++) s *= b[i] + 0.49; return s > 1; }
KERNEL(s314) { FLOATS (void)a; (void)c; float m = b[0]; for (int i = 0; i < n; i++) if (b[i] > m) m = b[i]; return (long)(100 * m); }
KERNEL(s315) { FLOATS (void)a; (void)c; float m = b[0]; long at_ = 0; for (int i = 0; i < n; i++) if (b[i] > m) { m = b[i]; at_ = i; } return at_; }
KERNEL(s321) { FLOATS for (int i = 1; i < n; i++) a[i] = b[i] + a[i - 1] * c[i] * 0.5f; return (long)a[n - 1]; }
KERNEL(s322) { DOUBLES for (int i = 2; i < n; i++) a[i] = 0.3 * a[i - 1] + a[i - 2] * 0.2 * c[i] + b[i]; return (long)a[n - 1]; }
KERNEL(s332) { FLOATS (void)a; (void)c; long at_ = -1; for (int i = 0; i < n; i++) if (b[i] > 1.5f) { at_ = i; break; } return at_; }
KERNEL(s341) { FLOATS (void)c; int j = -1; for (int i = 0; i < n; i++) if (b[i] > 0.5f) { j++; a[j] = b[i]; } return j; }
KERNEL(s4112) { FLOATS (void)c; const int32_t *p = at->i[3]; for (int i = 0; i < n; i++) a[i] += b[p[i]] * 0.5f; return (long)a[0]; }
KERNEL(s4114) { DOUBLES const int32_t *p = at->i[3]; for (int i = 1; i < n; i++) a[i] = b[i] + c[1023 - p[i]]; return (long)a[1]; }
KERNEL(vdotr) { DOUBLES (void)a; double s = 0; for (int i = 0; i < n; i++) s += b[i] * c[i]; return (long)s; }
/* PolyBench and stencils */
KERNEL(gemv) { FLOATS for (int i = 0; i < n / 64; i++) { float s = 0; for (int j = 0; j < 60; j++) s += b[i * 64 + j] * c[j]; a[i] = s; } return (long)a[0]; }
KERNEL(atax) { DOUBLES for (int i = 0; i < n / 32; i++) { double t = c[i]; for (int j = 0; j < 30; j++) a[j] = a[j] * 0.5 + b[i * 32 + j] * t; } return (long)a[0]; }
KERNEL(trisolv) { DOUBLES for (int i = 1; i < n / 40; i++) { double x = c[i]; for (int j = 0; j < i; j++) x -= b[i * 40 + j] * a[j]; a[i] = x * 0.01; } return (long)a[1]; }
KERNEL(jacobi1d) { DOUBLES (void)c; for (int i = 1; i < n - 1; i++) a[i] = 0.33333 * (b[i - 1] + b[i] + b[i + 1]); return (long)a[1]; }
KERNEL(seidel1d) { DOUBLES (void)b; (void)c; for (int i = 1; i < n - 1; i++) a[i] = 0.33333 * (a[i - 1] + a[i] + a[i + 1]); return (long)a[1]; }
KERNEL(fir8) { FLOATS for (int i = 0; i < n; i++) { float s = 0; for (int k = 0; k < 8; k++) s += b[i + k] * c[k]; a[i] = s; } return (long)a[0]; }
KERNEL(iir) { FLOATS (void)c; float y1 = 0, y2 = 0; for (int i = 0; i < n; i++) { float y = b[i] + 0.5f * y1 - 0.25f * y2; y2 = y1; y1 = y; a[i] = y; } return (long)y1; }
/* hashes, checksums, compression */
KERNEL(adler32) { BYTES (void)a; (void)c; uint32_t s = 1, t = 0; for (int i = 0; i < n; i++) { s += b[i]; t += s; } return (long)(s % 65521 + t % 65521); }
KERNEL(crc32_bytes) { BYTES (void)a; (void)c; const uint32_t *t = (const uint32_t *)at->i[2]; uint32_t h = ~0u; for (int i = 0; i < n; i++) h = t[(h ^ b[i]) & 255] ^ (h >> 8); return h & 1023; }
KERNEL(crc_bits) { BYTES (void)a; (void)c; uint32_t h = ~0u; for (int i = 0; i < n / 8; i++) { h ^= b[i]; for (int k = 0; k < 8; k++) h = (h >> 1) ^ (0xEDB88320u & -(h & 1)); } return h & 1023; }
KERNEL(xxh32_tail) { BYTES (void)a; (void)c; uint32_t h = 374761393u; for (int i = 0; i < n; i++) { h += b[i] * 374761393u; h = ((h << 11) | (h >> 21)) * 2654435761u; } return h & 1023; }
KERNEL(fletcher64) { INTS (void)a; (void)p; uint64_t s = 0, t = 0; for (int i = 0; i < n; i++) { s += (uint32_t)b[i]; t += s; } return (long)(s ^ t); }
KERNEL(lz4_match) { BYTES (void)a; const uint8_t *m = b; long i = 0; (void)c; while (i < n && m[i] == b[i]) i++; return i; }
KERNEL(lz_copy) { BYTES (void)c; for (long i = 8; i < n; i++) a[i] = a[i - 8] ^ b[i]; return a[n - 1]; }
KERNEL(histogram) { BYTES (void)a; (void)c; int32_t *h = at->i[0]; for (int i = 0; i < n; i++) h[b[i]]++; return h[7]; }
KERNEL(prefix_sum) { INTS (void)p; int32_t s = 0; for (int i = 0; i < n; i++) { s += b[i]; a[i] = s; } return s; }
KERNEL(delta) { INTS (void)p; for (int i = 1; i < n; i++) a[i] = b[i] - b[i - 1]; return a[1]; }
KERNEL(varint) { BYTES (void)a; (void)c; uint64_t s = 0, v = 0; int k = 0; for (int i = 0; i < n; i++) { v |= (uint64_t)(b[i] & 127) << k; if (b[i] < 128) { s += v; v = 0; k = 0; } else k = (k + 7) & 31; } return (long)s; }
/* strings and images */
KERNEL(memchr_) { BYTES (void)a; (void)c; for (long i = 0; i < n; i++) if (b[i] == 255) return i; return n; }
KERNEL(count_lines) { BYTES (void)a; (void)c; long m = 0; for (long i = 0; i < n; i++) m += b[i] == '\n'; return m; }
KERNEL(utf8_next) { BYTES (void)a; (void)c; long m = 0; for (long i = 0; i < n; m++) i += b[i] < 128 ? 1 : b[i] < 224 ? 2 : 3; return m; }
KERNEL(to_upper) { BYTES (void)c; for (long i = 0; i < n; i++) a[i] = b[i] >= 'a' && b[i] <= 'z' ? b[i] - 32 : b[i]; return a[0]; }
KERNEL(alpha_blend) { BYTES for (long i = 0; i < n; i++) a[i] = (uint8_t)((b[i] * 77 + c[i] * 178 + 128) >> 8); return a[0]; }
KERNEL(luma) { BYTES (void)c; for (long i = 0; i < n / 3; i++) a[i] = (uint8_t)((77 * b[3 * i] + 151 * b[3 * i + 1] + 28 * b[3 * i + 2]) >> 8); return a[0]; }
KERNEL(sad) { BYTES (void)a; long s = 0; for (long i = 0; i < n; i++) { int d = b[i] - c[i]; s += d < 0 ? -d : d; } return s; }
/* pointers and searches */
KERNEL(list_sum) { INTS (void)a; int32_t k = 0; long s = 0; for (int i = 0; i < n; i++) { s += b[k]; k = p[k]; } return s; }
KERNEL(binary_step) { INTS (void)a; long lo = 0; for (long w = n / 2; w > 0; w /= 2) if (b[lo + w] < 512) lo += w; return lo + p[0]; }
KERNEL(lower_bound_linear) { INTS (void)a; (void)p; long i = 0; for (; i < n; i++) if (b[i] >= 4000) break; return i; }
KERNEL(gather_sum) { INTS (void)a; long s = 0; for (int i = 0; i < n; i++) s += b[p[i]]; return s; }
