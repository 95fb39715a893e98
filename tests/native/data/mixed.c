/* Functions for the differential test: loops counted and not, strides, vectors, calls, switches, structs, floats. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct pair { int32_t left; double right; };
struct nest { struct pair pairs[4]; uint16_t tail[7]; };

float dot(const float *a, const float *b, int n) { float s = 0; for (int i = 0; i < n; ++i) s += a[i] * b[i]; return s; }
void saxpy(float *restrict y, const float *restrict x, float a) { for (int i = 0; i < 1000; ++i) y[i] += a * x[i]; }
void matmul(double *c, const double *a, const double *b) {
  for (int i = 0; i < 64; ++i)
    for (int j = 0; j < 64; ++j) {
      double s = 0;
      for (int k = 0; k < 64; ++k) s += a[i * 64 + k] * b[k * 64 + j];
      c[i * 64 + j] = s;
    }
}
double norm(const struct pair *p, int n) { double s = 0; for (int i = 0; i < n; ++i) s += p[i].right * p[i].left; return sqrt(s); }
int fields(struct nest *n, int i) { n->tail[i] = (uint16_t)(n->pairs[i & 3].left + 70000); return n->tail[3]; }
uint32_t crc(uint32_t crc, const uint8_t *p, size_t n) {
  while (n--) { crc ^= *p++; for (int k = 0; k < 8; ++k) crc = (crc >> 1) ^ (0xEDB88320u & -(crc & 1)); }
  return crc;
}
int kind(int c) { switch (c) { case 1: return 10; case 5: return 3; case 9: return 7; case 100: return 4; default: return c / 7; } }
double wave(double x, double y) { return exp(x) + sin(y) * pow(x, y) + fabs(y); }
size_t length(const char *s) { const char *p = s; while (*p) ++p; return (size_t)(p - s); }
void reverse(int64_t *p, int n) { for (int i = 0; i < n / 2; ++i) { int64_t t = p[i]; p[i] = p[n - 1 - i]; p[n - 1 - i] = t; } }
int call(int (*f)(int), int n) { int s = 0; for (int i = 0; i < n; i += 3) s += f(i) ^ (i << 4); return s; }
void fill(char *p, int n) { char local[256]; memset(local, 7, sizeof local); memcpy(p, local, (size_t)(n & 255)); }
int find(const int *p, int n, int key) { for (int i = 0; i < n; ++i) if (p[i] == key) return i; return -1; }
void transpose(float *restrict b, const float *restrict a) { for (int i = 0; i < 32; ++i) for (int j = 0; j < 32; ++j) b[j * 32 + i] = a[i * 32 + j]; }
uint64_t mix(uint64_t a, uint64_t b) { return (a * 0x9E3779B97F4A7C15ull) ^ (b >> 31) ^ (a << 13) ^ __builtin_bswap64(b); }
void gather(float *restrict y, const float *restrict x, const int *restrict at, int n) { for (int i = 0; i < n; ++i) y[i] = x[at[i]]; }
int collatz(int n) { int s = 0; while (n != 1) { n = n & 1 ? 3 * n + 1 : n / 2; ++s; } return s; }
void nothing(void) {}
_Bool same(const double *a, const double *b) { return *a == *b || (*a != *a && *b != *b); }
