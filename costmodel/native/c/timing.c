/* Seconds of processor time that a prediction takes; for `costmodel export` and benchmarks, never exported. */
#define _POSIX_C_SOURCE 200809L
#include "costmodel.h"

#include <time.h>

double costmodel_seconds(const costmodel *model, costmodel_request *request, const double *rows, size_t row_count,
                         size_t calls, void *scratch, size_t scratch_bytes, costmodel_estimate *estimates);

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double costmodel_seconds(const costmodel *model, costmodel_request *request, const double *rows, size_t row_count,
                         size_t calls, void *scratch, size_t scratch_bytes, costmodel_estimate *estimates) {
  const size_t count = costmodel_feature_count(model), metrics = costmodel_metric_count(model);
  const double begin = now();
  for (size_t i = 0; i < calls; ++i) {
    request->features = rows + (i % row_count) * count;
    if (costmodel_predict(model, request, scratch, scratch_bytes, estimates, metrics, NULL) != COSTMODEL_OK) return -1;
  }
  return (now() - begin) / (double)calls;
}
