/* Loops that an unroller must decide about: KERNEL(name) is called with three arrays of N elements each. */
#include <stddef.h>
#include <stdint.h>

#define N 2048
#define F float *restrict a, const float *restrict b, const float *restrict c, int n
#define KERNEL(name) __attribute__((noinline)) float name(F)

KERNEL(copy) { for (int i = 0; i < n; ++i) a[i] = b[i]; return a[0]; }
KERNEL(scale) { for (int i = 0; i < n; ++i) a[i] = 3.0f * b[i]; return a[0]; }
KERNEL(add) { for (int i = 0; i < n; ++i) a[i] = b[i] + c[i]; return a[0]; }
KERNEL(triad) { for (int i = 0; i < n; ++i) a[i] = b[i] + 3.0f * c[i]; return a[0]; }
KERNEL(dot) { float s = 0; for (int i = 0; i < n; ++i) s += b[i] * c[i]; return s; }
KERNEL(sum) { float s = 0; for (int i = 0; i < n; ++i) s += b[i]; return s; }
KERNEL(largest) { float s = b[0]; for (int i = 0; i < n; ++i) s = b[i] > s ? b[i] : s; return s; }
KERNEL(norm) { float s = 0; for (int i = 0; i < n; ++i) { float d = b[i] - c[i]; s += d * d; } return s; }
KERNEL(prefix) { float s = 0; for (int i = 0; i < n; ++i) { s += b[i]; a[i] = s; } return s; }
KERNEL(horner) { float s = 0; for (int i = 0; i < n; ++i) s = s * 0.5f + b[i]; return s; }
KERNEL(recurrence) { a[0] = b[0]; for (int i = 1; i < n; ++i) a[i] = a[i - 1] * 0.25f + b[i]; return a[n - 1]; }
KERNEL(stencil3) { for (int i = 1; i < n - 1; ++i) a[i] = b[i - 1] + b[i] + b[i + 1]; return a[1]; }
KERNEL(stencil5) { for (int i = 2; i < n - 2; ++i) a[i] = b[i - 2] + b[i - 1] + b[i] + b[i + 1] + b[i + 2]; return a[2]; }
KERNEL(reverse) { for (int i = 0; i < n; ++i) a[i] = b[n - 1 - i]; return a[0]; }
KERNEL(stride2) { for (int i = 0; i < n / 2; ++i) a[i] = b[2 * i] + b[2 * i + 1]; return a[0]; }
KERNEL(stride7) { float s = 0; for (int i = 0; i < n; i += 7) s += b[i]; return s; }
KERNEL(positive) { for (int i = 0; i < n; ++i) a[i] = b[i] > 0 ? b[i] : 0; return a[0]; }
KERNEL(count_positive) { int s = 0; for (int i = 0; i < n; ++i) s += b[i] > 0; return (float)s; }
KERNEL(compact) { int m = 0; for (int i = 0; i < n; ++i) if (b[i] > 0.5f) a[m++] = b[i]; return (float)m; }
KERNEL(find) { int i = 0; while (i < n && b[i] < 2.0f) ++i; return (float)i; }
KERNEL(quotient) { for (int i = 0; i < n; ++i) a[i] = b[i] / (c[i] + 1.0f); return a[0]; }
KERNEL(polynomial) { for (int i = 0; i < n; ++i) { float x = b[i]; a[i] = ((x * 0.1f + 0.2f) * x + 0.3f) * x + 0.4f; } return a[0]; }
KERNEL(gather) { const int *at = (const int *)c; float s = 0; for (int i = 0; i < n; ++i) s += b[at[i] & (N - 1)]; return s; }
KERNEL(scatter) { const int *at = (const int *)c; for (int i = 0; i < n; ++i) a[at[i] & (N - 1)] = b[i]; return a[0]; }
KERNEL(chase) { const int *at = (const int *)c; int p = 0; for (int i = 0; i < n; ++i) p = at[p & (N - 1)]; return (float)(p & 1); }
KERNEL(crc) { const uint8_t *p = (const uint8_t *)b; uint32_t h = ~0u; for (int i = 0; i < n; ++i) { h ^= p[i]; h = (h >> 1) ^ (0xEDB88320u & -(h & 1)); } return (float)(h & 255); }
KERNEL(fnv) { const uint8_t *p = (const uint8_t *)b; uint64_t h = 14695981039346656037ull; for (int i = 0; i < n; ++i) h = (h ^ p[i]) * 1099511628211ull; return (float)(h & 255); }
KERNEL(histogram) { const uint8_t *p = (const uint8_t *)b; uint32_t *h = (uint32_t *)a; for (int i = 0; i < n; ++i) ++h[p[i]]; return (float)(h[0] & 1); }
KERNEL(matvec) { for (int i = 0; i < 32; ++i) { float s = 0; for (int j = 0; j < 64; ++j) s += b[i * 64 + j] * c[j]; a[i] = s; } return a[0]; }
KERNEL(transpose) { for (int i = 0; i < 32; ++i) for (int j = 0; j < 32; ++j) a[j * 32 + i] = b[i * 32 + j]; return a[0]; }
